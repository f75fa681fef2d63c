"""Runs of the command: in this process, in one of its own, and in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import Any

from typer.testing import CliRunner, Result

from prio_middleware.cli.app import app

COMMAND = (sys.executable, "-m", "prio_middleware.cli")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def prio(*arguments: str, keyboard: str | None = None) -> Result:
    """Run the command in this process. What is no exit is a traceback, and nobody is to see one."""
    result = CliRunner().invoke(app, list(arguments), input=keyboard, prog_name="prio")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def piped(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with pipes for its output."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, **options)


def in_terminal(*arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run the command in a terminal. Returns its exit status and what it wrote."""
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
    except OSError:  # Linux's way to say that nobody has the terminal open any more.
        return b""
