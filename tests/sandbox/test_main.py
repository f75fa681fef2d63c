from __future__ import annotations

import contextlib
import io
import os
import pickle
import shlex
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from prio_middleware.sandbox import SandboxOptions
from prio_middleware.sandbox.__main__ import main
from prio_middleware.sandbox.sandbox_options import Listen

from .helpers import CLIENT_CREDENTIALS, Output, basic, run_as_main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _sigint_comes_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def settings(output: str) -> dict[str, str]:
    """Return the variables that a shell reads from the output."""
    return dict(word.split("=", 1) for word in shlex.split(output, comments=True))


def serve(arguments: list[str], environment: dict[str, str], number: int = signal.SIGTERM) -> tuple[int, str, int]:
    """Use a sandbox as soon as its settings are printed, then end it with a signal.

    Returns the exit status, the output and the status of a token request.
    """
    output = Output()
    statuses: list[int] = []

    def use() -> None:
        try:
            statuses.append(token_request({**environment, **settings(output.wait())}))
        finally:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=use)
    thread.start()
    with contextlib.redirect_stdout(output):
        status = main(arguments, environment, tick=0.001)
    thread.join()
    assert "/_sandbox/revoke" in output.getvalue()
    return status, output.getvalue(), statuses[0]


def token_request(variables: dict[str, str]) -> int:
    headers = basic(variables["PRIO_CLIENT_ID"], variables["PRIO_CLIENT_SECRET"])
    context = ssl.create_default_context(cafile=variables.get("PRIO_CA_FILE"))
    url = f"{variables['PRIO_BASE_URL']}/oauth2/token"
    return httpx.post(url, json=CLIENT_CREDENTIALS, headers=headers, verify=context).status_code


@pytest.mark.parametrize(
    ("number", "arguments"), [(signal.SIGINT, []), (signal.SIGTERM, ["--no-tls", "--no-limits", "--lifetime", "5"])]
)
def test_the_sandbox_serves_until_a_signal(number: int, arguments: list[str]) -> None:
    before = signal.getsignal(number)
    status, _, answered = serve(arguments, {}, number)

    assert (status, answered) == (0, 200)
    assert signal.getsignal(number) is before


def test_the_credentials_may_come_from_the_environment_and_the_secret_is_not_printed() -> None:
    environment = {"PRIO_CLIENT_ID": "shop@museum.example", "PRIO_CLIENT_SECRET": "it's # a $ecret"}
    _, output, answered = serve(["--no-tls"], environment)

    assert settings(output)["PRIO_CLIENT_ID"] == "shop@museum.example"
    assert "PRIO_CLIENT_SECRET" not in settings(output)
    assert "$ecret" not in output
    assert answered == 200


@pytest.mark.pitfall(id="foreign-settings-file")
def test_the_settings_can_be_written_to_a_file_that_only_the_user_can_read(tmp_path: Path) -> None:
    """Hosts with pydantic-settings refuse unknown variables in ``.env``, and print their values."""
    file, output, seen = tmp_path / "prio.env", Output(), list[int]()

    def use() -> None:
        try:
            output.wait()
            seen.extend((file.stat().st_mode & 0o777, token_request(settings(file.read_text()))))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread, umask = threading.Thread(target=use), os.umask(0)
    thread.start()
    try:
        with contextlib.redirect_stdout(output):
            status = main(["--write", str(file)], {}, tick=0.001)
    finally:
        os.umask(umask)
    thread.join()

    assert (status, *seen) == (0, 0o600, 200)
    assert settings(file.read_text())["PRIO_CLIENT_SECRET"] not in output.getvalue()


def test_no_file_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests) -> None:
    (tmp_path / "prio.env").write_text("PRIO_SCOPE=kept")
    (tmp_path / "link.env").symlink_to(tmp_path / "elsewhere")
    for name in ("prio.env", "link.env", "no/such/folder.env"):
        with subtests.test(name):
            assert main(["--no-tls", "--write", str(tmp_path / name)], {}) == 2
            assert "never replaced" in capsys.readouterr().err
    assert (tmp_path / "prio.env").read_text() == "PRIO_SCOPE=kept"
    assert not (tmp_path / "elsewhere").exists()


def test_the_error_names_the_host_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "0.0.0.0"], {}) == 2
    assert "'0.0.0.0'" in capsys.readouterr().err


def test_there_is_no_argument_for_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], {})

    assert "--lifetime" in (written := capsys.readouterr().out)
    assert "secret" not in written


@pytest.mark.usefixtures("_sigint_comes_back")
def test_a_controlled_process_ends_with_its_input(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pickle.dumps((SandboxOptions(), Listen(tls=False))))))

    assert main(["--control"], {}) == 0
    assert pickle.loads(capsysbinary.readouterr().out).url.startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["prio_middleware.sandbox", "--host", "server.example"])

    with pytest.raises(SystemExit) as ended:
        run_as_main("prio_middleware.sandbox.__main__")
    assert ended.value.code == 2
    assert "'server.example'" in capsys.readouterr().err
