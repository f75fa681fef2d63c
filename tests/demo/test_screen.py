from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from prio_middleware.demo.fixture import AtMost, Scene
from prio_middleware.demo.screen import Screen

STORY = "A story that is a little longer than the narrowest of terminals is wide, so that it has to be wrapped."


def shown(counted: dict[str, int], *, width: int = 80, failure: str = "", **options: object) -> str:
    """Return all that a screen shows of one scene."""
    file = io.StringIO()
    console = Console(file=file, width=width, markup=False, emoji=False, highlight=False, **options)  # type: ignore[arg-type]
    screen = Screen(console)
    scene = Scene(
        "Apples and pears", "sync httpx", STORY, {"apples": 2, "pears": AtMost(3)}, 2, "they allow [b]little[/b] :apple:"
    )
    with screen.scene(1, scene):
        screen.progress(advance=1)
        screen.progress(", something else")
    screen.progress("after the end")
    scene.counted, scene.failure, scene.timing, scene.notes = counted, failure, "2 calls in 1.0 s", ["The [first] note."]
    screen.outcome(scene)
    screen.summary([scene])
    return file.getvalue()


def test_a_scene_and_its_outcome_are_shown_in_order() -> None:
    text = shown({"apples": 2, "pears": 0})
    parts = [" 1  Apples and pears", "A story", "off here: they allow [b]little[/b] :apple:", "| The [first] note."]
    parts += ["ok      2  apples", "2 calls in 1.0 s", "Verdict"]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)
    assert "FAILED" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("counted", [3, 4])
def test_a_count_is_shown_beside_its_expectation(counted: int) -> None:
    verdict = "ok" if counted <= 3 else "FAILED"
    text = shown({"apples": 1234, "pears": counted})
    assert "FAILED  1,234  apples" in text
    assert re.search(rf"pears +at most 3 +{counted} +{verdict}", text)


def test_a_scene_that_failed_says_why() -> None:
    text = shown({}, failure="ReadTimeout: no response")
    assert "    ReadTimeout: no response" in text
    assert re.search(r"apples +2 +- +FAILED", text)
    assert re.search(r"pears +at most 3 +- +FAILED", text)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal_or_than_can_be_read(width: int) -> None:
    lines = shown({}, width=width, failure="x " * 100).splitlines()
    assert max(map(len, lines)) <= min(width, 100)


def test_a_terminal_gets_colours_and_progress() -> None:
    counted = {"apples": 2, "pears": 0}
    text = shown(counted, force_terminal=True, color_system="standard")
    assert "\x1b[32mok" in text
    assert "1 answered" in text
    assert "after the end" not in text
    assert "\x1b[3" not in shown(counted, force_terminal=True, color_system="standard", no_color=True).replace("\x1b[?25", "")
