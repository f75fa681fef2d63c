from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import pytest

from prio_middleware import cli
from tests.cli.helpers import prio

ROOT = Path(__file__).parents[2]


def test_the_script_is_declared() -> None:
    module, _, name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["prio"].partition(":")

    assert getattr(importlib.import_module(module), name) is cli.main


def test_without_its_packages_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == "The prio command needs typer and rich. Install it: pip install 'prio-middleware[cli]'"


def test_main_reads_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["prio", "--version"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert (ended.value.code, capsys.readouterr().out) == (0, f"{metadata.version('prio-middleware')}\n")


class Interrupted(list[str]):
    """A command line that is being read at Ctrl-C."""

    def __getitem__(self, place: object) -> NoReturn:
        raise KeyboardInterrupt


def test_an_interrupt_is_quiet_from_the_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", Interrupted())

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert (ended.value.code, capsys.readouterr()) == (130, ("", ""))


def test_the_command_is_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("prio_middleware.cli.__main__")  # which does nothing
    monkeypatch.setattr(sys, "argv", ["prio", "--version"])

    with pytest.raises(SystemExit):  # as python -m runs it
        exec(compile(inspect.getsource(module), str(module.__file__), "exec"), {**vars(module), "__name__": "__main__"})

    assert capsys.readouterr().out == prio("--version").stdout
