"""Why a token is fetched."""

from __future__ import annotations

import pytest

from prio_middleware import AccessToken, Secret
from prio_middleware.tokens.reasons import Reason, Reasons
from prio_middleware.tokens.token import DEFAULT_OPTIONS, TokenOptions

TOKEN = AccessToken(Secret("t"))


@pytest.mark.parametrize(
    ("lost", "kept", "stale", "reason"),
    [
        (None, None, None, "initial"),
        (None, TOKEN, None, "expiring"),
        (None, None, TOKEN, "rejected"),
        (None, TOKEN, TOKEN, "rejected"),
        ("rejected", None, None, "rejected"),
        ("forced", None, None, "forced"),
        ("forced", TOKEN, None, "expiring"),
    ],
)
def test_reasons(lost: Reason | None, kept: AccessToken | None, stale: AccessToken | None, reason: Reason) -> None:
    reasons = Reasons()
    if lost:
        reasons.lost([DEFAULT_OPTIONS], lost)
    assert reasons.of(DEFAULT_OPTIONS, kept, stale) == reason
    assert reasons.of(DEFAULT_OPTIONS, None, None) == "initial"


def test_what_is_remembered_is_bounded() -> None:
    reasons = Reasons(limit=10)
    sizes: set[int] = set()
    for number in range(100):
        reasons.lost([TokenOptions(scope=str(number))], "rejected")
        sizes.add(len(reasons._lost))
    assert sizes == set(range(1, 11))


def test_by_default_it_is_about_a_thousand() -> None:
    reasons = Reasons()
    for number in range(1025):
        reasons.lost([TokenOptions(scope=str(number))], "rejected")
    assert len(reasons._lost) == 1
