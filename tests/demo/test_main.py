# Private access: the run of all scenarios is replaced, because the command line has no argument for it.

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from prio_middleware.demo import __main__ as demo
from prio_middleware.demo.__main__ import INTERRUPTED, main, play, raise_file_limit
from prio_middleware.demo.fixture import TOKEN_REQUESTS, Fixture
from prio_middleware.demo.screen import Screen
from prio_middleware.errors import ConfigurationError
from prio_middleware.httpx import client
from prio_middleware.sandbox import Sandbox
from tests.sandbox.helpers import run_as_main

if TYPE_CHECKING:
    from collections.abc import Callable


def meet(fixture: Fixture) -> None:
    with fixture.scene("Met", "sync httpx", "One call.", {TOKEN_REQUESTS: 1}), client(settings=fixture.settings()) as prio:
        prio.get("/products")


def miss(fixture: Fixture) -> None:
    with fixture.scene("Missed", "sync httpx", "No call.", {TOKEN_REQUESTS: 2}):
        pass


def fail(fixture: Fixture) -> None:
    with fixture.scene("Failed", "sync httpx", "No call.", {TOKEN_REQUESTS: 0}):
        raise TimeoutError("no response")


@pytest.mark.parametrize(
    ("scenarios", "met"),
    [pytest.param([meet, meet], 2, id="each begins without a token"), pytest.param([miss, fail, meet], 1, id="not all met")],
)
def test_every_scenario_is_played(scenarios: list[Callable[[Fixture], None]], met: int) -> None:
    file = io.StringIO()
    assert play(scenarios, 20, Screen(Console(file=file, width=80)), Sandbox()) is (met == len(scenarios))
    text = file.getvalue()
    last_screen = "\n".join(text.splitlines()[-24:])
    for part in ("Where the time went", "token.fetch", f"{met} of {len(scenarios)} expectations met", "Next: "):
        assert part in last_screen
    assert ("TimeoutError: no response" in text) is (fail in scenarios)


@pytest.mark.parametrize(("arguments", "met", "calls", "status"), [([], True, 1000, 0), (["--quick"], False, 80, 1)])
def test_the_exit_status_says_if_all_was_as_expected(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], met: bool, calls: int, status: int
) -> None:
    numbers: list[int] = []

    def record(_: object, number: int, screen: Screen) -> bool:
        numbers.append(number)
        return met

    monkeypatch.setattr(demo, "play", record)
    assert main(arguments) == status
    assert numbers == [calls]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ConfigurationError("No sandbox.", remedy="Make one."), 2, "No sandbox. Make one.\n"),
        (KeyboardInterrupt(), INTERRUPTED, "\nStopped.\n"),
    ],
)
def test_an_error_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    def raise_error(*_: object) -> bool:
        raise error

    monkeypatch.setattr(demo, "play", raise_error)
    assert main(["--quick"]) == status
    assert capsys.readouterr().err == message


def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("rich", "httpx2"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([]) == 2
    written = capsys.readouterr()
    assert written.err == "The demo needs rich, httpx2. Install it: pip install 'prio-middleware[cli,httpx2,sandbox]'\n"
    assert written.out == ""


class Resource:
    """Stands in for the module ``resource``."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft: int, hard: int) -> None:
        self.limits = (soft, hard)

    def getrlimit(self, kind: int) -> tuple[int, int]:
        assert kind == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, kind: int, limits: tuple[int, int]) -> None:
        assert kind == self.RLIMIT_NOFILE
        if limits[1] != self.RLIM_INFINITY and limits[0] > limits[1]:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((1024, 4096), (1100, 4096), id="raised"),
        pytest.param((1024, -1), (1100, -1), id="raised below infinity"),
        pytest.param((20_000, 20_000), (20_000, 20_000), id="high enough"),
        pytest.param((-1, -1), (-1, -1), id="infinite"),
    ],
)
def test_the_limit_on_open_files_is_raised(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int]
) -> None:
    resource = Resource(*before)
    monkeypatch.setitem(sys.modules, "resource", resource)
    raise_file_limit(1100)
    assert resource.limits == after


def test_systems_without_a_limit_on_open_files_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    raise_file_limit(1100)


def test_a_limit_on_open_files_that_is_too_low_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resource", Resource(256, 256))
    assert main([]) == 2
    error = capsys.readouterr().err
    assert "1,100" in error
    assert "256" in error
    assert "ulimit -n" in error


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["prio_middleware.demo", "--help"])
    with pytest.raises(SystemExit) as ended:
        run_as_main("prio_middleware.demo.__main__")
    assert ended.value.code == 0
    assert "--quick" in capsys.readouterr().out
