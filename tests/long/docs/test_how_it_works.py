"""The numbers on the page are those of the code."""

from __future__ import annotations

import re

import pytest

from prio_middleware.middleware.revocation import handler as revocation_handler
from prio_middleware.middleware.revocation import memory as refusal_memory
from prio_middleware.middleware.revocation import renewal_limiter
from prio_middleware.middleware.revocation.refusal import BODY_LIMIT, LOOK_AHEAD
from prio_middleware.settings import ClientSettings
from prio_middleware.transports.async_ import BUFFERED_READ
from tests.long.docs.blocks import ROOT

PAGE = re.sub(r"\s+", " ", (ROOT / "docs" / "how-it-works.md").read_text())
WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 10: "ten"}
DEFAULTS = ClientSettings(client_id="shop", client_secret="s3cret")


@pytest.mark.parametrize(
    "told",
    [
        f"up to {BODY_LIMIT // 1024} KiB of the body",
        f"a tenth of its lifetime, {DEFAULTS.leeway_max:.0f} seconds at most",
        f"{DEFAULTS.token_deadline:.0f} seconds in all (`token_deadline`)",
        f"for {WORDS[int(DEFAULTS.failure_cooldown)]} seconds (`failure_cooldown`)",
        f"up to {BODY_LIMIT // 1024} KiB and for {WORDS[int(LOOK_AHEAD)]} second.",
        f"for {WORDS[int(refusal_memory.DENIAL / 60)]} minutes; twice as long the next time, up to an hour",
        f"In {renewal_limiter.WINDOW:.0f} seconds, at most {WORDS[renewal_limiter.LIMIT]} renewals may be unsuccessful",
        f"At most {WORDS[renewal_limiter.UNKNOWN_LIMIT]} of them are for paths that never succeeded",
        f"{WORDS[renewal_limiter.ORIGIN_LIMIT]} are for one origin",
        f"{WORDS[renewal_limiter.RESERVE].title()} more is kept in reserve",
        f"for {WORDS[int(revocation_handler.WATCH_SECONDS / 60)]} minutes after a rejection",
        f"in {renewal_limiter.WINDOW:.0f} seconds at most, or when there is proof",
        f"only the first {revocation_handler.BACKLOG} successes",
    ],
)
def test_a_number_on_the_page_is_that_of_the_code(told: str) -> None:
    assert told in PAGE


def test_the_fractions_on_the_page_are_those_of_the_code() -> None:
    assert DEFAULTS.leeway_fraction == 1 / 10
    assert refusal_memory.LONGEST_DENIAL == 60 * 60
    assert BUFFERED_READ == 1 / 20
