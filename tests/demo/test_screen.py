from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.text import Text

from prio_middleware.demo.scenario import Observed, Scenario, at_most, exactly, findings
from prio_middleware.demo.scenarios import all_scenarios
from prio_middleware.demo.screen import Screen
from prio_middleware.demo.size import FULL

if TYPE_CHECKING:
    from prio_middleware.demo.stage import Stage


def nothing(_: Stage) -> Observed:
    return Observed({})


SCENARIO = Scenario(
    "Apples and pears",
    "sync httpx",
    "A story that is a little longer than the narrowest of terminals is wide, so that it has to be wrapped.",
    (exactly(2, "apples"), at_most(3, "pears")),
    nothing,
    calls=2,
    no_limits="they allow [bold]little[/bold] :apple:",
)
GOOD = Observed({"apples": 2, "pears": 0}, timing="2 calls in 1.0 s", notes=("The [first] note.",))
BAD = Observed({"apples": 2, "pears": 1234})


def shown(observed: Observed | None, *, width: int = 80, failure: str | None = None, **options: object) -> str:
    """All that a screen shows of one scenario."""
    file = io.StringIO()
    console = Console(file=file, width=width, markup=False, emoji=False, highlight=False, **options)  # type: ignore[arg-type]
    screen = Screen(console)
    screen.open()
    with screen.scene(1, SCENARIO):
        screen.tick()
        screen.say(", something else")
    screen.tick()
    screen.say("after the end")
    found = findings(SCENARIO, observed)
    screen.outcome(found, observed, failure)
    screen.sums([(SCENARIO, found)])
    screen.close([(SCENARIO, found)], 1.25)
    return file.getvalue()


def test_a_scene_and_its_outcome_are_told_in_order() -> None:
    text = shown(GOOD)
    parts = [
        "An embedded Prio API",
        " 1  Apples and pears",
        "A story",
        "limits are off",
        "| The [first] note.",
        "ok      2  apples",
        "2 calls in 1.0 s",
        "Verdict",
        "make test",
    ]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)
    assert "2 of 2 expectations met, in 1.2 s." in text


def test_text_is_shown_as_it_is() -> None:
    assert "they allow [bold]little[/bold] :apple:" in shown(GOOD, width=120)


def test_what_was_not_met_is_shown_beside_what_was_expected() -> None:
    text = shown(BAD)
    assert "FAILED  1,234  pears" in text
    assert re.search(r"pears +at most 3 +1,234 +FAILED", text)
    assert "1 of 2 expectations met" in text


def test_a_scenario_that_broke_says_why() -> None:
    text = shown(None, failure="ReadTimeout: nobody answered")
    assert "    ReadTimeout: nobody answered" in text
    assert re.search(r"apples +2 +- +FAILED", text)
    assert "0 of 2 expectations met" in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal_or_than_can_be_read(width: int) -> None:
    lines = shown(BAD, width=width, failure="x " * 100).splitlines()
    assert max(map(len, lines)) <= min(width, 100)


def test_a_pipe_gets_no_control_codes() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown(GOOD))


def test_a_terminal_gets_colours_and_progress() -> None:
    text = shown(GOOD, force_terminal=True, color_system="standard")
    assert "\x1b[32mok" in text
    assert "1 answered" in text
    assert "after the end" not in text


def test_without_colours_the_same_is_told() -> None:
    plain = Text.from_ansi(shown(GOOD, force_terminal=True, color_system="standard", no_color=True))
    assert "2 of 2 expectations met" in plain.plain
    assert "\x1b[3" not in shown(GOOD, force_terminal=True, color_system="standard", no_color=True).replace("\x1b[?25", "")


def test_the_table_of_the_whole_demo_needs_no_wrapping_at_80_columns() -> None:
    file = io.StringIO()
    results = [(scenario, findings(scenario, None)) for scenario in all_scenarios(FULL)]
    Screen(Console(file=file, width=80)).sums(results)
    rows = [line for line in file.getvalue().splitlines() if line.rstrip().endswith("FAILED")]
    assert len(rows) == sum(len(found) for _, found in results)
    assert all(expectation.what in file.getvalue() for scenario, _ in results for expectation in scenario.expected)
