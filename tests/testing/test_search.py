from __future__ import annotations

import pytest

from prio_middleware.testing.no_secrets import PART, traces_of
from tests.secret_forms import CANARY, FORMS


def test_a_secret_is_found_in_every_form(subtests: pytest.Subtests) -> None:
    for form, write in FORMS.items():
        with subtests.test(form):
            assert traces_of([CANARY]).find(f"before {write(CANARY)} after")


def test_a_part_of_a_secret_is_a_leak(subtests: pytest.Subtests) -> None:
    for part in (CANARY[:PART], CANARY[-PART:], CANARY[3 : 3 + PART]):
        with subtests.test(part):
            assert traces_of([CANARY]).find(f"{part}...")


def test_other_texts_are_no_leak(subtests: pytest.Subtests) -> None:
    for text in ("", "**", "Secret('**')", CANARY[: PART - 1], CANARY[::-1]):
        with subtests.test(text):
            assert traces_of([CANARY]).find(text) is None


def test_a_short_secret_is_found_as_a_whole_only() -> None:
    assert traces_of(["tr0ub4dor"]).find("it is tr0ub4dor!")
    assert traces_of(["tr0ub4dor"]).find("it is tr0ub4do") is None


def test_a_common_word_is_no_secret() -> None:
    assert traces_of(["secret"]).find("the secret") is None
