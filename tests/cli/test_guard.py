from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner

from prio_middleware import ConfigurationError, PrioError, TokenEndpointUnavailableError
from prio_middleware.cli.guard import guarded
from prio_middleware.sandbox import Sandbox
from tests.cli.kit import COMMAND


def run(error: BaseException) -> tuple[int, str]:
    app = typer.Typer()

    @app.command()
    @guarded
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
        "again    in 10 s",
        "remedy   Check that the token endpoint can be reached from here, then try again: nothing needs a restart.",
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


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


@pytest.mark.usefixtures("measured_processes", "prio_environment")
@pytest.mark.prio_sandbox(api_delay=60)
def test_ctrl_c_ends_a_call_quietly(prio_sandbox: Sandbox) -> None:
    process = subprocess.Popen(
        [*COMMAND, "request", "GET", "/products"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: prio_sandbox.admin.counts().calls)
    process.send_signal(signal.SIGINT)

    assert process.communicate() == ("", "")
    assert process.returncode == 130


@pytest.mark.usefixtures("measured_processes", "prio_environment")
@pytest.mark.parametrize("arguments", [["request", "GET", "/products", "--json"], ["check"], ["config", "schema"]])
def test_output_that_nobody_reads_ends_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, "")
