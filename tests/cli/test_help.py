from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import cast

import pytest
import typer
from typer.core import TyperGroup

from prio_middleware.cli.app import app
from prio_middleware.cli.options import client_names
from tests.cli.kit import piped, prio

COMMANDS = ["init", "check", "request", "token", "status", "sandbox", "demo", "config", "config show", "config schema"]

LOADED = """
import json, sys
from prio_middleware.cli.app import app
try:
    app(["--help"])
except SystemExit:
    print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = prio(*command.split(), "--help")

    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"prio {command}" in result.stdout.partition("Example")[2]


def test_every_command_is_listed() -> None:
    result = prio("--help")

    assert result.exit_code == 0
    assert [
        name
        for name in ("init", "check", "request", "token", "status", "config", "sandbox", "demo")
        if name not in result.stdout
    ] == []


def test_nothing_asked_is_helped() -> None:
    assert "Usage: prio" in prio().output
    assert "schema" in prio("config").output


@pytest.mark.parametrize("arguments", [["chek"], ["check", "--jsn"], ["request", "GET"], ["sandbox", "--port", "x"]])
def test_a_wrong_command_line_is_told_apart(arguments: list[str]) -> None:
    assert prio(*arguments).exit_code == 2


def test_no_option_takes_a_secret() -> None:
    group = cast("TyperGroup", typer.main.get_command(app))
    config = cast("TyperGroup", group.commands["config"])
    commands = [group, *group.commands.values(), *config.commands.values()]
    taking = [option.opts for command in commands for option in command.params if not getattr(option, "is_flag", False)]

    assert [names for names in taking if any("secret" in name and "file" not in name for name in names)] == []
    assert [names for names in taking if any(word in name for name in names for word in ("token", "key", "password"))] == []


def test_help_loads_nothing_that_it_does_not_need() -> None:
    ended = subprocess.run([sys.executable, "-c", LOADED], stdout=subprocess.PIPE, text=True, check=True)
    loaded = json.loads(ended.stdout.splitlines()[-1])

    # typer itself may know pydantic.
    assert set(loaded) & {"httpx", "authlib", "starlette", "pydantic_settings", "prio_middleware.settings"} == set()


def test_the_shell_completes_commands() -> None:
    environment = {**os.environ, "_PRIO_COMPLETE": "complete_bash", "COMP_WORDS": "prio co", "COMP_CWORD": "1"}

    assert piped(env=environment).stdout.split() == ["config"]


@pytest.mark.usefixtures("prio_environment")
def test_the_shell_completes_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", "berlin@example.com")
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_SECRET", "s3cret")

    assert client_names("") == ["default", "berlin"]
    assert client_names("b") == ["berlin"]


def test_it_completes_nothing_where_the_settings_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PRESET", "nonsense")

    assert client_names("") == []
