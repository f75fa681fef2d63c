"""Runs of the command in this process: with pipes for its output, or with a terminal."""

from __future__ import annotations

import io
import re
import sys
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from prio_middleware.cli.commands import app

COMMAND = typer.main.get_command(app)
"""Built once, because that takes longer than most commands."""

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
A_SETTING = re.compile(r'    [a-z_]+ = ".*"$')
"""A line of the settings, which a terminal shows in one piece, however long its path is."""


class Screen(io.StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Result(NamedTuple):
    """The end of a command: its exit status and its output. ``output`` has both streams as they were written."""

    exit_code: int
    stdout: str
    stderr: str
    output: str


def prio(*arguments: str, keyboard: str | None = None, environment: dict[str, str] | None = None) -> Result:
    """Run the command with pipes for its output. Raise any exception that is not an exit."""
    with CliRunner().isolation(input=keyboard, env=environment) as streams:
        status = exit_status(*arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        return Result(status, *(stream.getvalue().decode() for stream in streams))


def in_terminal(*arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run the command with a terminal for its input and output. Return its exit status and its output."""
    screen = Screen()
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"}.items():
            monkeypatch.setenv(name, value)
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, screen)
        status = exit_status(*arguments)
    return status, screen.getvalue()


def exit_status(*arguments: str) -> int:
    """Run the command with the streams of this process. Return its exit status."""
    with pytest.raises(SystemExit) as ended:
        COMMAND(list(arguments), prog_name="prio")
    assert isinstance(ended.value.code, int)
    return ended.value.code
