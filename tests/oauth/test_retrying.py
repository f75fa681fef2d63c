"""Error of a fetch after attempts that failed in different ways."""

from __future__ import annotations

import pytest

from prio_middleware import AccessToken, CredentialsRefusedError, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth.helpers import Clock, answer, play, provider, refused, token
from tests.oauth.helpers import Server as Script

UNTIL = 30.0
SILENCE = TokenResponse(failure="ReadTimeout: The read operation timed out")
REFUSED = TokenResponse(failure="ConnectError: connection refused")


class Server(Script):
    """Its answers take a while: each the seconds that stand beside it, or what is left of the request's time."""

    def __init__(self, clock: Clock, *script: tuple[TokenResponse, float]) -> None:
        super().__init__(*(answer for answer, _ in script))
        self._clock = clock
        self._seconds = [seconds for _, seconds in script]

    def __call__(self, request: TokenRequest) -> TokenResponse:
        seconds = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        self._clock.now += min(seconds, request.total_seconds)
        return super().__call__(request)


def fetch(*script: tuple[TokenResponse, float]) -> AccessToken | TokenError:
    clock = Clock()
    return play(provider(clock, deadline_seconds=UNTIL).acquire(DEFAULT_OPTIONS, None), Server(clock, *script), clock)


def failure(*script: tuple[TokenResponse, float]) -> TokenError:
    error = fetch(*script)
    assert isinstance(error, TokenError)
    return error


def test_a_last_try_that_the_deadline_cut_short_does_not_hide_the_failure_before_it(subtests: pytest.Subtests) -> None:
    for first in (answer(503), answer(500), REFUSED):
        with subtests.test(first=first):
            assert failure((first, 0.0), (SILENCE, 60.0)).message == failure((first, 60.0)).message


def test_of_many_failures_the_last_one_counts_that_was_not_cut_short() -> None:
    assert failure((answer(500), 0.0), (answer(502), 0.0), (SILENCE, 60.0)).status_code == 502


def test_an_answer_counts_however_late_it_comes(subtests: pytest.Subtests) -> None:
    for busy in (answer(503), answer(429)):
        with subtests.test(busy=busy):
            assert failure((REFUSED, 0.0), (busy, 60.0)).status_code == busy.status_code


def test_a_permanent_failure_counts_however_late_it_comes() -> None:
    assert isinstance(failure((REFUSED, 0.0), (refused("invalid_client", 401), 60.0)), CredentialsRefusedError)


def test_a_try_without_an_answer_counts_where_the_deadline_is_not_to_blame() -> None:
    first_try = failure((SILENCE, 60.0))
    before_the_last = failure((answer(503), 0.0), (SILENCE, 20.0), (REFUSED, 60.0))

    assert "ReadTimeout" in first_try.message
    assert "ReadTimeout" in before_the_last.message


def test_what_the_server_asked_to_wait_is_over_when_the_next_try_began() -> None:
    assert failure((answer(503, retry_after="5"), 0.0), (SILENCE, 60.0)).retry_after is None


def test_a_token_after_a_failure_is_a_token() -> None:
    assert isinstance(fetch((answer(503), 0.0), (token(), 1.0)), AccessToken)
