from __future__ import annotations

import os
import sys
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner

from prio_middleware import ConfigurationError, PrioError, TokenEndpointUnavailableError
from prio_middleware.cli.arguments import handle_errors
from tests.cli.helpers import exit_status


def run(error: BaseException) -> tuple[int, str]:
    app = typer.Typer()

    @app.command()
    @handle_errors
    def fail() -> NoReturn:
        raise error

    result = CliRunner().invoke(app)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stderr


def test_an_error_says_what_happened_to_what_and_what_to_do() -> None:
    error = TokenEndpointUnavailableError(
        "It is down.", client="berlin", url="https://me:pw@login.example/token?a=b", retry_after=9.6, error_reference="AB12"
    )

    assert run(error)[1].splitlines() == [
        "error    It is down.",
        "about    client 'berlin', https://login.example/token",
        "quote    error_reference AB12",
        "retry    in 10 s",
        f"remedy   {error.remedy}",
    ]


def test_an_error_shows_no_more_than_it_has() -> None:
    assert run(PrioError("It failed.", remedy="Try again.")) == (1, "error    It failed.\nremedy   Try again.\n")


def test_several_lines_stay_in_their_column() -> None:
    assert run(PrioError("Both:\n  - this\n  - that\n", remedy="-"))[1].splitlines()[:3] == [
        "error    Both:",
        "           - this",
        "           - that",
    ]


def test_what_would_steer_the_terminal_does_not() -> None:
    assert r"\u001b[2J[bold]" in run(PrioError("\x1b[2J[bold]"))[1]


def test_wrong_settings_are_told_apart() -> None:
    assert run(ConfigurationError("Wrong."))[0] == 2


def test_an_interrupt_is_quiet() -> None:
    assert run(KeyboardInterrupt()) == (130, "")


@pytest.mark.usefixtures("prio_environment")
def test_a_closed_pipe_ends_the_command_quietly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for arguments in (["request", "GET", "/products", "--json"], ["check"], ["config", "schema"]):
        reader, writer = os.pipe()
        os.close(reader)
        with subtests.test(str(arguments)), os.fdopen(writer, "w") as closed:
            monkeypatch.setattr(sys, "stdout", closed)

            assert exit_status(*arguments) == 141
            assert capsys.readouterr().err == ""
