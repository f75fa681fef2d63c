"""The provider's decisions, as a table."""

from __future__ import annotations

import math

import pytest

from prio_middleware import AccessToken, Secret, TokenError
from prio_middleware.oauth.decision import Decision, Failure, Fetch, UseAndRefresh, decide, fetch_seconds

NOW = 1000.0
FRESH = AccessToken(Secret("fresh"), expires_at=NOW + 100, fresh_until=NOW + 90)
DUE = AccessToken(Secret("due"), expires_at=NOW + 5, fresh_until=NOW)
OVER = AccessToken(Secret("over"), expires_at=NOW, fresh_until=NOW - 10)
NEWEST = AccessToken(Secret("newest"), expires_at=NOW + 100, fresh_until=NOW + 90)
PERMANENT = Failure(TokenError("wrong secret"), failed_at=NOW - 9, retry_at=NOW + 1)
TRANSIENT = Failure(TokenError("no connection"), failed_at=NOW - 9, retry_at=NOW + 1, pause=1.0)
PAST = Failure(TokenError("long ago"), failed_at=NOW - 9, retry_at=NOW)


def test_what_is_done_for_a_caller(subtests: pytest.Subtests) -> None:
    rows: list[tuple[AccessToken | None, AccessToken | None, Failure | None, bool, Decision]] = [
        (None, None, None, False, Fetch()),
        (FRESH, None, None, False, FRESH),
        (FRESH, None, PERMANENT, False, FRESH),
        (DUE, None, None, False, Fetch(DUE)),
        (DUE, None, None, True, UseAndRefresh(DUE)),
        (DUE, None, TRANSIENT, False, DUE),
        (DUE, None, TRANSIENT, True, DUE),
        (DUE, None, PERMANENT, False, DUE),
        (DUE, None, PAST, False, Fetch(DUE)),
        (OVER, None, None, False, Fetch()),
        (OVER, None, None, True, Fetch()),
        (OVER, None, TRANSIENT, False, TRANSIENT),
        (OVER, None, PERMANENT, False, PERMANENT),
        (OVER, None, PAST, True, Fetch()),
        (None, None, PERMANENT, True, PERMANENT),
        (FRESH, FRESH, None, False, Fetch()),
        (FRESH, NEWEST, None, True, Fetch()),
        (NEWEST, FRESH, None, False, NEWEST),
        (DUE, DUE, TRANSIENT, True, TRANSIENT),
        (FRESH, FRESH, PERMANENT, False, PERMANENT),
    ]
    for token, rejected, failure, ahead, expected in rows:
        with subtests.test(token=token, rejected=rejected, failure=failure, ahead=ahead, expected=expected):
            assert decide(token, rejected, failure, NOW, ahead=ahead) == expected


def test_while_fetches_are_paced_a_usable_token_is_used_and_other_callers_wait(subtests: pytest.Subtests) -> None:
    rows: list[tuple[AccessToken | None, Failure | None, Decision]] = [
        (None, None, Fetch(not_before=NOW + 1)),
        (DUE, None, DUE),
        (FRESH, None, FRESH),
        (None, PERMANENT, PERMANENT),
    ]
    for token, failure, expected in rows:
        with subtests.test(token=token, failure=failure, expected=expected):
            for ahead in (False, True):
                assert decide(token, None, failure, NOW, ahead=ahead, not_before=NOW + 1) == expected


def test_a_fetch_begins_at_the_moment_before_which_none_begins() -> None:
    due = AccessToken(Secret("t"), expires_at=NOW + 10, fresh_until=NOW)

    assert decide(due, None, None, NOW, not_before=NOW) == Fetch(due, NOW)


def test_a_caller_with_a_working_token_waits_half_its_remaining_lifetime_at_most(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float | None, float]] = [(None, 30.0), (20.0, 10.0), (100.0, 30.0), (1.9, 30.0), (2.0, 1.0)]
    for life, expected in rows:
        with subtests.test(life=life, expected=expected):
            fallback = None if life is None else AccessToken(Secret("t"), expires_at=NOW + life)

            assert math.isclose(fetch_seconds(30.0, fallback, NOW), expected)


def test_ahead_is_what_has_to_be_asked_for() -> None:
    due = AccessToken(Secret("t"), expires_at=NOW + 10, fresh_until=NOW)

    assert decide(due, None, None, NOW) == Fetch(due)
    assert decide(due, None, None, NOW, ahead=True) == UseAndRefresh(due)
