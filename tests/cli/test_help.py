from __future__ import annotations

from typing import cast

import pytest
import typer
from typer.core import TyperGroup

from prio_middleware.cli.arguments import client_names
from prio_middleware.cli.commands import app
from tests.cli.helpers import prio

COMMANDS = ["init", "check", "request", "token", "status", "sandbox", "demo", "config", "config show", "config schema"]


def test_every_command_has_help_with_an_example(subtests: pytest.Subtests) -> None:
    for command in COMMANDS:
        with subtests.test(command):
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


WRONG_LINES: list[list[str]] = [["chek"], ["check", "--jsn"], ["request", "GET"], ["sandbox", "--port", "x"]]


def test_a_wrong_command_line_is_told_apart(subtests: pytest.Subtests) -> None:
    for arguments in WRONG_LINES:
        with subtests.test(str(arguments)):
            assert prio(*arguments).exit_code == 2


def test_no_option_takes_a_secret() -> None:
    group = cast("TyperGroup", typer.main.get_command(app))
    config = cast("TyperGroup", group.commands["config"])
    commands = [group, *group.commands.values(), *config.commands.values()]
    taking = [option.opts for command in commands for option in command.params if not getattr(option, "is_flag", False)]

    assert ["--secret-file"] in taking
    assert [names for names in taking if any("secret" in name and "file" not in name for name in names)] == []
    assert [names for names in taking if any(word in name for name in names for word in ("token", "key", "password"))] == []


def test_every_command_about_a_client_takes_its_name_in_the_same_way() -> None:
    group = cast("TyperGroup", typer.main.get_command(app))
    commands = {**group.commands, **cast("TyperGroup", group.commands["config"]).commands}
    options = {name: [option.opts for option in command.params] for name, command in commands.items()}

    assert {name for name, found in options.items() if ["--client", "-c"] in found} == {
        *("check", "request", "show", "status", "token"),
    }
    assert [name for name, found in options.items() if ["client"] in found] == []


def test_the_shell_completes_commands() -> None:
    environment = {"_PRIO_COMPLETE": "complete_bash", "COMP_WORDS": "prio co", "COMP_CWORD": "1"}

    assert prio(environment=environment).stdout.split() == ["config"]


@pytest.mark.usefixtures("prio_environment")
def test_the_shell_completes_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", "berlin@example.com")
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_SECRET", "s3cret")

    assert client_names("") == ["default", "berlin"]
    assert client_names("b") == ["berlin"]


def test_wrong_settings_complete_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PRESET", "nonsense")

    assert client_names("") == []
