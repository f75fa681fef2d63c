from __future__ import annotations

from collections.abc import Callable

import pytest

from prio_middleware.testing.search import PART, traces_of
from tests.secret_forms import CANARY, FORMS


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_a_secret_is_found_in_every_form(write: Callable[[str], str]) -> None:
    assert traces_of([CANARY]).find(f"before {write(CANARY)} after")


@pytest.mark.parametrize("part", [CANARY[:PART], CANARY[-PART:], CANARY[3 : 3 + PART]])
def test_a_part_of_a_secret_is_a_leak_too(part: str) -> None:
    assert traces_of([CANARY]).find(f"{part}...")


@pytest.mark.parametrize("text", ["", "**", "Secret('**')", CANARY[: PART - 1], CANARY[::-1]])
def test_what_says_nothing_of_a_secret_is_none(text: str) -> None:
    assert traces_of([CANARY]).find(text) is None


def test_a_short_secret_is_found_as_a_whole_only() -> None:
    assert traces_of(["tr0ub4dor"]).find("it is tr0ub4dor!")
    assert traces_of(["tr0ub4dor"]).find("it is tr0ub4do") is None


def test_a_word_is_no_secret() -> None:
    assert traces_of(["secret"]).find("the secret") is None
