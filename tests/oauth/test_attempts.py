"""Retries of token requests."""

from __future__ import annotations

import pytest

from prio_middleware import AccessToken, InvalidTokenResponseError, Secret, TokenEndpointUnavailableError, TokenError
from prio_middleware.oauth.attempts import CUT_OFF_SECONDS, RESTART_SECONDS, Attempts
from tests.oauth.helpers import Clock

LOST = TokenEndpointUnavailableError("no answer")


def asking(seconds: float) -> TokenError:
    return TokenEndpointUnavailableError("busy", retry_after=seconds)


def pauses(*results: AccessToken | TokenError, seconds: float = 30.0) -> list[float]:
    """The pauses before each further attempt, in virtual time, until there is none."""
    clock, waited = Clock(), list[float]()
    attempts, until = Attempts(clock), clock.now + seconds
    assert attempts.pause_before_next(until) == 0.0
    for result in results:
        attempts.record(result)
        pause = attempts.pause_before_next(until)
        if pause is None:
            assert attempts.result is result
            break
        waited.append(pause)
        clock.now += pause
        assert attempts.pause_before_next(until) == 0.0
    return waited


def test_what_would_end_the_same_again_is_not_tried_again(subtests: pytest.Subtests) -> None:
    results: list[AccessToken | TokenError] = [
        AccessToken(Secret("t")),
        TokenError("no"),
        InvalidTokenResponseError("no token"),
    ]
    for result in results:
        with subtests.test(result=result):
            assert pauses(result) == []


def test_pauses_double_with_a_little_chance_up_to_five_seconds() -> None:
    assert pauses(*[LOST] * 8, seconds=100.0) == [
        pytest.approx(pause + 0.1, abs=0.1) for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0)
    ]


def test_the_server_may_ask_for_a_longer_pause_but_for_no_shorter_one(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float, float]] = [(0.0, 0.2, 0.4), (0.1, 0.2, 0.4), (3.0, 3.0, 3.0), (29.9, 29.9, 29.9)]
    for asked, shortest, longest in rows:
        with subtests.test(asked=asked, shortest=shortest, longest=longest):
            (pause,) = pauses(asking(asked))

            assert shortest <= pause <= longest


def test_how_long_to_wait_is_asked_of_the_last_answer_alone() -> None:
    first, second = pauses(asking(3.0), LOST)

    assert first == 3.0
    assert second < 1.0


def test_from_a_hundredth_second_before_the_deadline_on_a_try_was_cut_short() -> None:
    clock = Clock()
    until = clock.now + 30.0
    attempts = Attempts(clock)
    attempts.pause_before_next(until)
    busy = TokenEndpointUnavailableError("busy", status_code=503)
    attempts.record(busy)
    attempts.pause_before_next(until)
    clock.now = until - CUT_OFF_SECONDS
    attempts.record(LOST)

    assert isinstance(attempts.result, TokenEndpointUnavailableError)
    assert attempts.result.message == "busy"


def test_attempts_go_on_after_a_pause_that_only_the_deadline_forbids() -> None:
    clock, waited = Clock(), list[float]()
    attempts = Attempts(clock)
    for _ in range(6):
        until = clock.now + 0.1
        assert attempts.pause_before_next(until) == 0.0
        attempts.record(LOST)
        assert attempts.pause_before_next(until) is None
        assert attempts.due_pause is not None
        waited.append(attempts.due_pause)
        clock.now += attempts.due_pause

    assert waited == [pytest.approx(pause + 0.1, abs=0.1) for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)]


def test_a_pause_that_ends_with_the_deadline_is_due() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    attempts.pause_before_next(clock.now)
    attempts.record(asking(3.0))

    assert attempts.pause_before_next(clock.now + 3.0) is None
    assert attempts.due_pause == 3.0


def test_no_pause_is_due_after_the_last_attempt(subtests: pytest.Subtests) -> None:
    refused = TokenEndpointUnavailableError("refused").copy(cause="connection_refused")
    rows: list[tuple[AccessToken | TokenError, bool, float]] = [
        (AccessToken(Secret("t")), True, 0.0),
        (TokenError("no"), True, 0.0),
        (LOST, False, 0.0),
        (refused, True, RESTART_SECONDS),
        (refused.copy(retry_after=RESTART_SECONDS), True, 0.0),
    ]
    for result, may_retry, later in rows:
        with subtests.test(result=result):
            clock = Clock()
            attempts = Attempts(clock, may_retry=may_retry)
            attempts.pause_before_next(clock.now)
            attempts.record(result)
            clock.now += later

            assert attempts.pause_before_next(clock.now) is None
            assert attempts.due_pause is None


def test_a_pause_beyond_the_deadline_is_not_begun(subtests: pytest.Subtests) -> None:
    for asked in (30.0, 31.0, 4000.0):
        with subtests.test(asked=asked):
            assert pauses(asking(asked)) == []
