from __future__ import annotations

import io

import pytest
from rich.console import Console

from prio_middleware.demo.scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from prio_middleware.demo.screen import Screen
from prio_middleware.demo.show import show
from prio_middleware.demo.stage import Stage
from prio_middleware.httpx import client


def call_once(stage: Stage) -> Observed:
    with client(settings=stage.settings()) as prio:
        prio.get("/products")
    return Observed({TOKEN_REQUESTS: stage.admin.counts().token_requests})


def break_down(_: Stage) -> Observed:
    raise TimeoutError("nobody answered")


MET = Scenario("Met", "sync httpx", "One call.", (exactly(1, TOKEN_REQUESTS),), call_once)
MISSED = Scenario("Missed", "sync httpx", "One call.", (exactly(2, TOKEN_REQUESTS),), call_once)
BROKEN = Scenario("Broken", "sync httpx", "No call.", (exactly(0, TOKEN_REQUESTS),), break_down)


@pytest.mark.parametrize(
    ("scenarios", "met"),
    [
        pytest.param([MET, MET], True, id="each begins without a token"),
        pytest.param([MET, MISSED], False, id="missed"),
        pytest.param([BROKEN, MET], False, id="broken"),
    ],
)
def test_everything_is_played_and_one_failure_is_remembered(scenarios: list[Scenario], met: bool) -> None:
    file = io.StringIO()
    assert show(scenarios, Screen(Console(file=file, width=80))) is met
    last_screen = "\n".join(file.getvalue().splitlines()[-24:])
    assert "Where the time went" in last_screen
    assert "token.fetch" in last_screen
    assert "Next: " in last_screen
    assert ("TimeoutError: nobody answered" in file.getvalue()) is (BROKEN in scenarios)
