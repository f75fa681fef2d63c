"""The numbers on the page are those of the code."""

from __future__ import annotations

import re

import pytest

from prio_middleware.middleware import refusal_memory, revocation_handler, stakes
from prio_middleware.refusal import BODY_LIMIT
from prio_middleware.settings import ClientSettings
from tests.docs.blocks import ROOT

PAGE = re.sub(r"\s+", " ", (ROOT / "docs" / "how-it-works.md").read_text())
WORDS = {2: "two", 3: "three", 5: "five", 10: "ten"}
DEFAULTS = ClientSettings(client_id="shop", client_secret="s3cret")


@pytest.mark.parametrize(
    "told",
    [
        f"up to {BODY_LIMIT // 1024} KiB of the body",
        f"a tenth of its lifetime, {DEFAULTS.leeway_max:.0f} seconds at most",
        f"{DEFAULTS.token_deadline:.0f} seconds in all (`token_deadline`)",
        f"for {WORDS[int(DEFAULTS.hold_back)]} seconds (`hold_back`)",
        f"for {WORDS[int(refusal_memory.LESSON / 60)]} minutes; twice as long the next time, up to an hour",
        f"In {stakes.WINDOW:.0f} seconds, at most {WORDS[stakes.SURE]} bets",
        f"and {WORDS[stakes.DOUBTFUL]} for all others together",
        f"for {WORDS[int(revocation_handler.WATCH / 60)]} minutes after a refusal",
        f"in {stakes.WINDOW:.0f} seconds at most, or when successes",
    ],
)
def test_a_number_on_the_page_is_that_of_the_code(told: str) -> None:
    assert told in PAGE


def test_the_fractions_are_too() -> None:
    assert DEFAULTS.leeway_fraction == 1 / 10
    assert refusal_memory.LONGEST_LESSON == 60 * 60
