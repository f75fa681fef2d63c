"""The provider's decisions, as a table."""

from __future__ import annotations

import math

import pytest

from prio_middleware import AccessToken, Secret, TokenError
from prio_middleware.tokens.decision import Decision, Failure, Fetch, HoldBack, Use, UseAndRefresh, budget, decide

NOW = 1000.0
FRESH = AccessToken(Secret("fresh"), expires_at=NOW + 100, fresh_until=NOW + 90)
DUE = AccessToken(Secret("due"), expires_at=NOW + 5, fresh_until=NOW)
OVER = AccessToken(Secret("over"), expires_at=NOW, fresh_until=NOW - 10)
NEWEST = AccessToken(Secret("newest"), expires_at=NOW + 100, fresh_until=NOW + 90)
PERMANENT = Failure(TokenError("wrong secret"), at=NOW - 9, until=NOW + 1, holds_back=True)
TRANSIENT = Failure(TokenError("no connection"), at=NOW - 9, until=NOW + 1, holds_back=False)
PAST = Failure(TokenError("long ago"), at=NOW - 9, until=NOW, holds_back=True)


@pytest.mark.parametrize(
    ("token", "stale", "failure", "ahead", "expected"),
    [
        (None, None, None, False, Fetch()),
        (FRESH, None, None, False, Use(FRESH)),
        (FRESH, None, PERMANENT, False, Use(FRESH)),
        (DUE, None, None, False, Fetch(DUE)),
        (DUE, None, None, True, UseAndRefresh(DUE)),
        (DUE, None, TRANSIENT, False, Use(DUE)),
        (DUE, None, TRANSIENT, True, Use(DUE)),
        (DUE, None, PERMANENT, False, Use(DUE)),
        (DUE, None, PAST, False, Fetch(DUE)),
        (OVER, None, None, False, Fetch()),
        (OVER, None, None, True, Fetch()),
        (OVER, None, TRANSIENT, False, Fetch()),
        (OVER, None, PERMANENT, False, HoldBack(PERMANENT)),
        (OVER, None, PAST, True, Fetch()),
        (None, None, PERMANENT, True, HoldBack(PERMANENT)),
        (FRESH, FRESH, None, False, Fetch()),
        (FRESH, NEWEST, None, True, Fetch()),
        (NEWEST, FRESH, None, False, Use(NEWEST)),
        (DUE, DUE, TRANSIENT, True, Fetch()),
        (FRESH, FRESH, PERMANENT, False, HoldBack(PERMANENT)),
    ],
)
def test_what_is_done_for_a_caller(
    token: AccessToken | None, stale: AccessToken | None, failure: Failure | None, ahead: bool, expected: Decision
) -> None:
    assert decide(token, stale, failure, NOW, ahead=ahead) == expected


@pytest.mark.parametrize(("life", "expected"), [(None, 30.0), (20.0, 10.0), (100.0, 30.0), (1.9, 30.0), (2.0, 1.0)])
def test_who_holds_a_working_token_waits_half_its_remaining_life_at_most(life: float | None, expected: float) -> None:
    fallback = None if life is None else AccessToken(Secret("t"), expires_at=NOW + life)

    assert math.isclose(budget(30.0, fallback, NOW), expected)


def test_ahead_is_what_has_to_be_asked_for() -> None:
    due = AccessToken(Secret("t"), expires_at=NOW + 10, fresh_until=NOW)

    assert decide(due, None, None, NOW) == Fetch(due)
    assert decide(due, None, None, NOW, ahead=True) == UseAndRefresh(due)
