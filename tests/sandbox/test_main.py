from __future__ import annotations

import os
import shlex
import signal
import ssl
import subprocess
import sys
import threading

import httpx
import pytest

from prio_middleware.sandbox.__main__ import main
from prio_middleware.sandbox.process import COMMAND

from .kit import CLIENT_CREDENTIALS, basic, until


def settings(output: str) -> dict[str, str]:
    """What a shell makes of the output."""
    return dict(word.split("=", 1) for word in shlex.split(output, comments=True))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for a signal more often than a signal can come."""
    monkeypatch.setattr("prio_middleware.sandbox.__main__._TICK", 0.001)


def serve(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environment: dict[str, str], number: int = signal.SIGTERM
) -> tuple[int, dict[str, str], int]:
    """Use a sandbox as soon as its settings are printed, then end it with a signal.

    Returns the exit status, the settings and the status of a token request.
    """
    output: list[str] = []
    statuses: list[int] = []

    def printed() -> bool:
        output.append(capsys.readouterr().out)
        return "/_sandbox/revoke" in "".join(output)

    def use() -> None:
        until(printed)
        statuses.append(token_request({**environment, **settings("".join(output))}))
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=use)
    thread.start()
    status = main(arguments, environment)
    thread.join()
    return status, settings("".join(output)), statuses[0]


def token_request(variables: dict[str, str]) -> int:
    headers = basic(variables["PRIO_CLIENT_ID"], variables["PRIO_CLIENT_SECRET"])
    context = ssl.create_default_context(cafile=variables.get("PRIO_CA_FILE"))
    url = f"{variables['PRIO_BASE_URL']}/oauth2/token"
    return httpx.post(url, json=CLIENT_CREDENTIALS, headers=headers, verify=context).status_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [[], ["--no-tls", "--no-limits", "--lifetime", "5"]])
def test_it_serves_until_a_signal(capsys: pytest.CaptureFixture[str], number: int, arguments: list[str]) -> None:
    before = signal.getsignal(number)
    status, _, answered = serve(capsys, arguments, {}, number)

    assert (status, answered) == (0, 200)
    assert signal.getsignal(number) is before


def test_the_credentials_may_come_from_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"PRIO_CLIENT_ID": "shop@museum.example", "PRIO_CLIENT_SECRET": "it's # a $ecret"}
    _, printed, answered = serve(capsys, [], environment)

    assert printed["PRIO_CLIENT_ID"] == "shop@museum.example"
    assert answered == 200


def test_a_secret_of_the_environment_may_be_a_real_one_and_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = serve(capsys, [], {"PRIO_CLIENT_SECRET": "a-real-s3cret"})

    assert "PRIO_CLIENT_ID" in printed
    assert "PRIO_CLIENT_SECRET" not in printed


def test_it_says_why_it_cannot_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "0.0.0.0"], {}) == 2
    assert "for this machine alone" in capsys.readouterr().err


def test_there_is_no_argument_for_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], {})

    assert "secret" not in capsys.readouterr().out


@pytest.mark.usefixtures("measured_processes")
def test_a_controlled_process_ends_with_its_input() -> None:
    ended = subprocess.run(COMMAND, input=b'{"options": {"accounts": []}, "listen": {}}\n', capture_output=True, check=False)

    assert b"no account" in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_it_is_a_command() -> None:
    command = [sys.executable, "-m", "prio_middleware.sandbox", "--host", "server.example"]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
