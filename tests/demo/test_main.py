from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import util
from typing import TYPE_CHECKING, Any

import pytest

from prio_middleware.demo.__main__ import INTERRUPTED, main
from prio_middleware.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "prio_middleware.demo", "--quick"]


def environment(**changes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")} | changes


def test_the_quick_demo_succeeds_and_writes_plain_text_to_a_pipe(tmp_path: Path) -> None:
    ran = subprocess.run(COMMAND, capture_output=True, check=False, text=True, env=environment(TMPDIR=str(tmp_path)))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "30 of 30 expectations met" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("measured_processes")
def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while "Expiry under load" not in process.stdout.readline():
            pass
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == INTERRUPTED
    assert rest.endswith("\nStopped.\n")
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(("as_expected", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_says_whether_all_was_as_expected(
    monkeypatch: pytest.MonkeyPatch, as_expected: bool, status: int
) -> None:
    sizes: list[int] = []

    def play(scenarios: list[Any], _: object) -> bool:
        sizes.append(scenarios[0].calls)
        return as_expected

    monkeypatch.setattr("prio_middleware.demo.show.show", play)
    assert main([]) == status
    assert sizes == [1000]


def test_a_sandbox_that_does_not_start_is_an_error_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> bool:
        raise ConfigurationError("No sandbox.", remedy="Make one.")

    monkeypatch.setattr("prio_middleware.demo.show.show", fail)
    assert main(["--quick"]) == 2
    assert capsys.readouterr().err == "No sandbox. Make one.\n"


def test_an_interrupted_demo_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("prio_middleware.demo.show.show", interrupt)
    assert main(["--quick"]) == INTERRUPTED
    assert capsys.readouterr().err == "\nStopped.\n"


def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(util, "find_spec", {"trustme": object(), "uvicorn": object()}.get)
    assert main([]) == 2
    written = capsys.readouterr()
    assert written.err == "The demo needs rich, httpx2. Install it: pip install 'prio-middleware[cli,httpx2,sandbox]'\n"
    assert written.out == ""


def test_a_limit_on_open_files_that_is_too_low_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("prio_middleware.demo.__main__.allow_open_files", lambda _: 256)
    assert main([]) == 2
    assert "opens 1,100 files and connections at once, and may open 256" in capsys.readouterr().err
