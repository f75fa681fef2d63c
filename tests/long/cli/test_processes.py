"""The command in processes of its own: signals, closed pipes, and a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from prio_middleware.sandbox import Sandbox
from tests.cli.helpers import A_SETTING, COLOUR, ESCAPE
from tests.cli.watch.conftest import Page, page
from tests.status import helpers

__all__ = ["page"]

COMMAND = (sys.executable, "-m", "prio_middleware.cli")


def piped(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with pipes for its output."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, **options)


def in_terminal(*arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run the command in a terminal. Return its exit status and its output."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen([*COMMAND, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    written = b""
    while chunk := _read(controller):
        written += chunk
    os.close(controller)
    return process.wait(), written.decode().replace("\r\n", "\n")


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # Linux ends the output of a terminal that no process has open so.
        return b""


@pytest.mark.usefixtures("prio_environment")
def test_a_terminal_gets_colours_within_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_SCOPE", "nonsense")
    status, written = in_terminal("check")
    lines = ESCAPE.sub("", written).splitlines()

    assert status == 1
    assert COLOUR.search(written)
    assert [line for line in lines if len(line) > 80 and not A_SETTING.match(line)] == []
    assert any(line.startswith("  FAIL  token") for line in lines)


@pytest.mark.usefixtures("prio_environment")
def test_a_pipe_gets_no_escapes() -> None:
    ended = piped("request", "GET", "/reports/sales")

    assert (ended.returncode, len(ended.stderr.splitlines())) == (4, 1)
    assert "\x1b" not in ended.stdout + ended.stderr


@pytest.mark.usefixtures("prio_environment")
def test_without_a_terminal_no_secret_is_asked_for(prio_sandbox: Sandbox) -> None:
    ended = piped("token", "--ask-secret", input=f"{prio_sandbox.client_secret}\n", start_new_session=True)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert prio_sandbox.admin.requests() == []


@pytest.mark.usefixtures("prio_environment")
@pytest.mark.prio_sandbox(api_delay=60)
def test_ctrl_c_ends_a_call_quietly(prio_sandbox: Sandbox) -> None:
    process = subprocess.Popen(
        [*COMMAND, "request", "GET", "/products"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not prio_sandbox.admin.counts().calls:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)

    assert process.communicate() == ("", "")
    assert process.returncode == 130


@pytest.mark.usefixtures("prio_environment")
@pytest.mark.parametrize("arguments", [["request", "GET", "/products", "--json"], ["check"], ["config", "schema"]])
def test_a_closed_pipe_ends_the_command_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize(("how", "mark"), [([], "1 client: 1 ready"), (["--json"], '"pid": 4242')])
def test_watching_ends_with_ctrl_c(page: Page, how: list[str], mark: str) -> None:
    page.say(helpers.status(), 500, helpers.status(at=helpers.AT + 4))
    process = subprocess.Popen(
        [*COMMAND, "status", "--watch", "--every", "0.2", page.url, *how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    seen = ""
    while seen.count(mark) < 2 and (line := process.stdout.readline()):
        seen += line
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()

    assert (process.returncode, errors) == (0, "")
    assert ESCAPE.search(seen + rest) is None


def test_a_sandbox_is_served_until_a_signal_and_can_be_used_as_it_says(folder: Path) -> None:
    file = folder / "prio.env"
    served = subprocess.Popen(
        [*COMMAND, "sandbox", "--write", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert served.stdout
    assert "until Ctrl-C" in served.stdout.readline()
    try:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIO_")}
        checked = piped("check", cwd=folder, env={**environment, "PRIO_ENV_FILE": file.name})
    finally:
        served.send_signal(signal.SIGINT)
        _, errors = served.communicate()

    assert checked.returncode == 0, checked.stdout
    assert "PRIO_CLIENT_SECRET in prio.env" in checked.stdout
    assert "PRIO_ENV_FILE=" in errors
    assert served.returncode == 0


def test_the_shell_completes_commands() -> None:
    environment = {**os.environ, "_PRIO_COMPLETE": "complete_bash", "COMP_WORDS": "prio co", "COMP_CWORD": "1"}

    assert piped(env=environment).stdout.split() == ["config"]


def test_it_is_a_module() -> None:
    assert piped("--version").stdout.count(".") == 2
