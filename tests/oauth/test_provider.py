"""The life of a token in one provider, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from prio_middleware import (
    AccessToken,
    ClientCredentialsProvider,
    ConfigurationError,
    CredentialsRefusedError,
    InsecureTransportError,
    InvalidTokenResponseError,
    Secret,
    TokenEndpointUnavailableError,
    TokenError,
    TokenOptions,
    TokenRequestRefusedError,
)
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.cache import TokenCache
from prio_middleware.oauth.effects import Background, Pause, Post, Steps, Wait
from prio_middleware.oauth.failures import PACE
from prio_middleware.oauth.provider import WAIT_WITH_TOKEN
from prio_middleware.oauth.shared.coordinator import RequestToken
from prio_middleware.oauth.single_flight import GRACE, STARTING, NoResult, Outcome
from prio_middleware.oauth.token_request import TokenEndpoint, TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth import helpers
from tests.oauth.helpers import Clock, Server, answer, endpoint, inline, play, provider, refused, token

LOST = TokenResponse(failure="ConnectError: refused")


class Shop:
    """A provider, its clock and its token endpoint."""

    def __init__(self, *script: TokenResponse, **options: object) -> None:
        self.clock = Clock()
        self.server = Server(*script)
        self.tokens = provider(self.clock, **options)

    def get(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> AccessToken | TokenError:
        kept = self.tokens.current(options, rejected)
        return kept or play(self.tokens.acquire(options.over(self.tokens.defaults), rejected), self.server, self.clock)

    def token(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> AccessToken:
        got = self.get(options, rejected)
        assert isinstance(got, AccessToken), got
        return got

    def by_hand(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> Steps[Any]:
        """The steps of a caller that fetches itself, for a test to play."""
        return inline(self.tokens.acquire(options, rejected))

    @property
    def asked(self) -> int:
        return len(self.server.requests)


def test_a_new_provider_has_tried_nothing_and_counts_for_its_client() -> None:
    tokens = provider()

    assert tokens.report().never_tried
    assert tokens.counters.name == "shop"


@pytest.mark.pitfall(id="leeway-beyond-lifetime")
def test_one_token_request_for_each_lifetime() -> None:
    shop = Shop(token(100), token(100))
    first = shop.token()
    shop.clock.now += 89.9
    assert shop.token() is first
    shop.clock.now += 0.2  # inside the leeway of a tenth

    assert shop.token() is not first
    assert shop.asked == 2


def test_a_token_is_fresh_until_the_leeway_begins_and_not_at_that_moment() -> None:
    shop = Shop(token(100))
    first = shop.token()
    shop.clock.now = first.fresh_until - 0.001
    assert shop.tokens.current(DEFAULT_OPTIONS, None) is first
    shop.clock.now = first.fresh_until

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


def test_a_rejected_token_is_not_current_for_its_caller() -> None:
    shop = Shop(token(), token())
    first = shop.token()

    assert shop.tokens.current(DEFAULT_OPTIONS, first) is None
    assert shop.tokens.current(DEFAULT_OPTIONS, None) is first


def test_an_invalidated_token_is_current_for_no_caller() -> None:
    shop = Shop(token())
    shop.tokens.invalidate(shop.token())

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


def test_life_counts_from_before_the_request_left() -> None:
    shop = Shop(token(100))
    steps = shop.by_hand()
    next(steps)
    shop.clock.now += 20
    with pytest.raises(StopIteration) as end:
        steps.send(shop.server(None))  # type: ignore[arg-type]  # the script looks at no request

    assert end.value.value.expires_at == 1100.0


@pytest.mark.pitfall(id="expires-in")
def test_a_token_without_a_lifetime_costs_one_request_in_a_second() -> None:
    shop = Shop(token(0), token(-5), token(0))
    for _ in range(20):
        shop.token()
        shop.clock.now += 0.1

    assert shop.asked == 2

    shop.clock.now += 0.1
    shop.token()
    assert shop.asked == 3


@pytest.mark.pitfall(id="failed-refresh")
def test_a_failed_fetch_inside_the_leeway_keeps_the_token_that_is_still_valid(subtests: pytest.Subtests) -> None:
    failures: list[TokenResponse] = [LOST, answer(503), refused("invalid_client", 401), TokenResponse(200)]
    for failure in failures:
        with subtests.test(failure=failure):
            shop = Shop(token(1000), failure)
            first = shop.token()
            shop.clock.now += 975

            assert shop.token() is first


@pytest.mark.pitfall(id="failed-refresh")
def test_a_failed_early_fetch_is_not_repeated_by_every_call() -> None:
    shop = Shop(token(1000), refused("invalid_client", 401))
    shop.token()
    shop.clock.now += 975
    for _ in range(50):
        shop.token()

    assert shop.asked == 2


@pytest.mark.pitfall(id="failed-refresh")
def test_with_refresh_ahead_no_caller_waits_or_sees_a_failure() -> None:
    shop = Shop(token(1000), answer(500), token(1000), refresh="ahead", deadline_seconds=0.1)
    first = shop.token()
    shop.clock.now += 975
    assert shop.token() is first
    shop.clock.now += 10.1  # the pause after a failed refresh
    assert shop.token() is first
    second = shop.token()

    assert second.serial > first.serial
    assert shop.asked == 3


def test_a_refresh_that_cannot_be_started_leaves_no_fetch_in_flight() -> None:
    shop = Shop(token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(False)

    assert end.value.value is first
    assert not shop.tokens.report().fetching
    shop.token()
    assert shop.token().serial > first.serial


def test_a_caller_that_waits_for_a_refresh_that_cannot_be_started_takes_over() -> None:
    shop = Shop(token(1000), refresh="ahead")
    shop.token()
    shop.clock.now += 975
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    effect: Any = next(steps)
    with pytest.raises(StopIteration):
        steps.send(False)

    assert effect.fetch.outcome is NoResult.ABANDONED


def test_a_refresh_ahead_has_the_whole_deadline() -> None:
    shop = Shop(token(1000), LOST, token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    shop.token()

    assert shop.token().serial > first.serial
    assert shop.asked == 3


def test_a_refresh_ahead_that_never_completes_is_given_up_after_its_deadline() -> None:
    shop = Shop(token(1000), refresh="ahead", deadline_seconds=30)
    first = shop.token()
    shop.clock.now += 975
    effect = next(shop.tokens.acquire(DEFAULT_OPTIONS, None))
    assert isinstance(effect, Background)
    effect.fetch.steps = effect.steps  # A task has them, and does not run.
    shop.token(rejected=first)

    assert shop.clock.now == 1975 + 31


def test_a_refresh_ahead_that_was_interrupted_before_its_start_is_replaced() -> None:
    shop = Shop(token(1000), refresh="ahead", deadline_seconds=30)
    first = shop.token()
    shop.clock.now += 975
    shop.tokens.acquire(DEFAULT_OPTIONS, None).send(None)
    assert shop.token() is first
    shop.clock.now += STARTING

    assert isinstance(next(shop.tokens.acquire(DEFAULT_OPTIONS, None)), Background)


def test_ahead_one_refresh_at_a_time() -> None:
    shop = Shop(token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    refreshing = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(refreshing)

    assert shop.token() is first
    assert shop.asked == 1
    refreshing.close()


@pytest.mark.pitfall(id="refused-credentials")
def test_a_permanent_failure_cools_down_and_is_then_tried_again(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, type[TokenError]]] = [
        (refused("invalid_client", 401), CredentialsRefusedError),
        (refused("invalid_scope"), TokenRequestRefusedError),
        (TokenResponse(200, {}, b"<html>"), InvalidTokenResponseError),
    ]
    for refusal, error in rows:
        with subtests.test(refusal=refusal, error=error):
            shop = Shop(refusal, token())
            first = shop.get()
            assert isinstance(first, error)
            shop.clock.now += 4
            held = shop.get()
            assert isinstance(held, error)
            assert (held.retry_after, held.cooling_down, first.cooling_down) == (6, True, False)
            assert first.message in held.message
            assert shop.asked == 1
            shop.clock.now += 5.75
            assert getattr(shop.get(), "retry_after", None) == 0.25
            shop.clock.now += 0.25

            assert isinstance(shop.get(), AccessToken)


@pytest.mark.pitfall(id="refused-credentials")
def test_refused_credentials_cool_down_every_scope_but_an_invalid_scope_only_itself() -> None:
    narrow, wide = TokenOptions(scope="read"), TokenOptions(scope="write")
    shop = Shop(refused("invalid_scope"), token(), refused("invalid_client", 401))
    assert isinstance(shop.get(narrow), TokenError)
    assert isinstance(shop.get(wide), AccessToken)
    assert isinstance(shop.get(TokenOptions(scope="all")), CredentialsRefusedError)

    assert isinstance(shop.get(TokenOptions(scope="none")), CredentialsRefusedError)
    assert isinstance(shop.get(wide), AccessToken)
    assert shop.asked == 3


@pytest.mark.pitfall(id="refused-credentials")
def test_changed_credentials_end_the_cooldown_and_drop_the_old_tokens() -> None:
    shop = Shop(refused("invalid_client", 401), token(), token())
    assert isinstance(shop.get(), CredentialsRefusedError)
    shop.tokens.replace_credentials(endpoint("rotated"))
    first = shop.token()
    shop.tokens.replace_credentials(endpoint("rotated again"))

    assert shop.token() is not first
    assert shop.asked == 3


def test_only_credentials_that_failed_last_are_untried_when_they_are_replaced() -> None:
    shop = Shop(token(100), refused("invalid_scope", 400))
    shop.token()
    shop.tokens.replace_credentials(endpoint("rotated"))
    assert not shop.tokens.report().never_tried
    assert isinstance(shop.get(), TokenRequestRefusedError)
    shop.tokens.replace_credentials(endpoint("rotated again"))

    assert shop.tokens.report().never_tried


def test_a_fetch_with_the_old_credentials_leaves_nothing_behind() -> None:
    shop = Shop(token(), token())
    steps = shop.by_hand()
    next(steps)
    shop.tokens.replace_credentials(endpoint("rotated"))
    with pytest.raises(StopIteration):
        steps.send(token())

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


def test_a_transient_failure_is_tried_again(subtests: pytest.Subtests) -> None:
    failures: list[TokenResponse] = [LOST, answer(500), answer(503), answer(429), answer(429, retry_after="2")]
    for failure in failures:
        with subtests.test(failure=failure):
            shop = Shop(failure, failure, token())

            assert isinstance(shop.get(), AccessToken)
            assert shop.asked == 3


@pytest.mark.pitfall(id="retry-after")
def test_retry_after_is_honoured() -> None:
    shop = Shop(answer(503, retry_after="7"), token())
    shop.get()

    assert shop.clock.now >= 1007


def test_an_endpoint_that_says_come_back_at_once_is_not_hammered() -> None:
    shop = Shop(answer(503, retry_after="0"))
    shop.get()

    assert shop.asked < 20


def test_the_deadline_bounds_the_whole_fetch() -> None:
    shop = Shop(LOST)

    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    assert shop.clock.now <= 1030


@pytest.mark.pitfall(id="retry-after")
def test_a_retry_after_beyond_the_deadline_fails_at_once_and_cools_down_for_a_minute_at_most() -> None:
    shop = Shop(answer(429, retry_after="4000"), token())
    error = shop.get()
    assert isinstance(error, TokenEndpointUnavailableError)
    assert shop.clock.now == 1000.0
    shop.clock.now += 59
    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    assert shop.asked == 1
    shop.clock.now += 1

    assert isinstance(shop.get(), AccessToken)


@pytest.mark.pitfall(id="outage-waits")
def test_in_an_outage_one_fetch_is_retried_and_the_next_ones_are_single_attempts_after_growing_pauses() -> None:
    shop = Shop(LOST)
    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    assert shop.asked > 1
    pauses, requests = [], []
    for _ in range(6):
        before = shop.asked
        at_once = shop.get()
        assert isinstance(at_once, TokenEndpointUnavailableError)
        assert at_once.cooling_down
        assert at_once.retry_after is not None
        pauses.append(at_once.retry_after)
        shop.clock.now += at_once.retry_after
        assert isinstance(shop.get(), TokenEndpointUnavailableError)
        requests.append(shop.asked - before)

    assert pauses == pytest.approx([1, 2, 4, 8, 10, 10])
    assert requests == [1] * 6


@pytest.mark.pitfall(id="outage-waits")
def test_the_first_success_brings_the_retries_back() -> None:
    shop = Shop(*[LOST] * 60, deadline_seconds=1.0)
    shop.get()
    shop.clock.now += 1
    shop.server.script = [token(10), LOST, token(10)]
    first = shop.token()
    shop.clock.now = first.expires_at

    assert shop.token().serial > first.serial
    assert shop.asked > 3


def test_each_attempt_that_fails_is_counted() -> None:
    shop = Shop(LOST, LOST, token())
    shop.token()

    assert sum(shop.tokens.counters.failed_requests.values()) == 2


def test_a_token_that_expired_after_a_success_is_no_failure() -> None:
    shop = Shop(*[LOST] * 20, token(100))
    while not isinstance(shop.get(), AccessToken):
        assert shop.tokens.report().without_token
        shop.clock.now += 60
    shop.clock.now += 200

    assert not shop.tokens.report().without_token


def test_what_stays_the_same_is_not_retried_and_a_refused_connection_for_three_seconds(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Any, tuple[int, int]]] = [
        ("unknown_host", (1, 1)),
        ("untrusted_certificate", (1, 1)),
        ("unexpected", (1, 1)),
        ("connection_refused", (4, 10)),
    ]
    for cause, attempts in rows:
        with subtests.test(cause=cause, attempts=attempts):
            shop = Shop(TokenResponse(failure="ConnectError", cause=cause))
            error = shop.get()

            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.cause == cause
            assert attempts[0] <= shop.asked <= attempts[1]
            assert shop.clock.now <= 1003
            held = shop.get()
            assert isinstance(held, TokenEndpointUnavailableError)
            assert (held.cooling_down, held.cause) == (True, cause)


def test_a_server_that_answers_between_refused_connections_has_the_whole_deadline() -> None:
    refused_connection = TokenResponse(failure="ConnectError", cause="connection_refused")
    shop = Shop(refused_connection, answer(503), refused_connection, refused_connection, token())

    assert isinstance(shop.get(), AccessToken)
    assert shop.clock.now > 1003


@pytest.mark.pitfall(id="rejected-token")
def test_a_rejected_token_is_replaced_once_for_any_number_of_rejections() -> None:
    shop = Shop(token(), token())
    refused_token = shop.token()
    shop.tokens.invalidate(refused_token)
    replacement = shop.token(rejected=refused_token)
    shop.tokens.invalidate(refused_token)

    assert shop.token(rejected=refused_token) is replacement
    assert shop.token() is replacement
    assert shop.asked == 2


def test_a_rejected_token_is_not_taken_from_a_fetch_that_completed_with_it() -> None:
    shop = Shop(token(), token())
    first = shop.token()
    shop.tokens.invalidate(first)
    leader = shop.by_hand(rejected=first)
    next(leader)
    waiter = shop.by_hand(rejected=first)
    waiting = next(waiter)
    assert isinstance(waiting, Wait)

    got = waiter.send(first)  # the outcome of an earlier fetch

    assert isinstance(got, Wait)
    leader.close()
    waiter.close()


@pytest.mark.pitfall(id="cache-key")
def test_each_of_scope_audience_resource_and_parameters_has_a_token_of_its_own() -> None:
    shop = Shop(*[token() for _ in range(6)])
    keys = [
        DEFAULT_OPTIONS,
        TokenOptions(scope="a"),
        TokenOptions(audience="a"),
        TokenOptions(resource="a"),
        TokenOptions(params=(("tenant", "a"),)),
        TokenOptions(params=(("tenant", "b"),)),
    ]
    assert len({shop.token(key).serial for key in keys}) == 6
    assert len({shop.token(key).serial for key in keys}) == 6

    assert shop.asked == 6


def test_naming_the_default_scope_is_no_other_key() -> None:
    shop = Shop(defaults=TokenOptions(scope="a", params=(("x", "1"),)))

    assert shop.token() is shop.token(TokenOptions(scope="a"))
    assert b"scope=a" in shop.server.requests[0].body


def test_a_parameter_that_cannot_be_sent_is_a_configuration_error_and_leaves_no_fetch_in_flight() -> None:
    shop = Shop()
    bad = TokenOptions(params=(("client_secret", "other"),))
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            shop.get(bad)


@pytest.mark.pitfall(id="stopped-leader")
def test_a_waiter_takes_over_when_the_fetch_never_completes() -> None:
    shop = Shop()
    lost = shop.by_hand()
    next(lost)

    assert isinstance(shop.get(), AccessToken)
    assert shop.clock.now == 1000 + 20 + GRACE


def test_a_caller_waits_for_a_second_fetch_and_for_no_third() -> None:
    shop = Shop()
    lost, waiter = shop.by_hand(), shop.by_hand()
    next(lost)
    next(waiter)
    shop.clock.now += 20 + GRACE
    assert isinstance(waiter.send(NoResult.ABANDONED), Wait)
    shop.clock.now += 20 + GRACE
    with pytest.raises(StopIteration) as end:
        waiter.send(NoResult.ABANDONED)

    assert isinstance(end.value.value, TokenEndpointUnavailableError)


def test_two_fetches_that_never_complete_are_a_failure_that_is_not_waited_for_again() -> None:
    shop = Shop()
    failed = shop.tokens.counters.failed_requests
    failed |= dict.fromkeys(failed, 5)
    lost, waiter = shop.by_hand(), shop.by_hand()
    next(lost)
    first: Any = next(waiter)
    shop.clock.now = first.fetch.lost_at
    second = waiter.send(NoResult.TIMED_OUT)
    assert isinstance(second, Post)
    other = shop.by_hand()
    waiting: Any = next(other)
    shop.clock.now = waiting.fetch.lost_at
    with pytest.raises(StopIteration) as end:
        other.send(NoResult.TIMED_OUT)

    error = end.value.value
    assert isinstance(error, TokenEndpointUnavailableError)
    assert (error.client, error.url) == ("shop", helpers.URL)
    assert error.message.endswith(".")
    assert waiting.fetch.outcome is error
    assert sum(failed.values()) == 5 * len(failed) + 1
    held = shop.get()
    assert isinstance(held, TokenError)
    assert held.cooling_down
    assert f"{held.retry_after:.1f} s" in held.message
    assert isinstance(shop.get(TokenOptions(scope="other")), AccessToken)
    waiter.close()


@pytest.mark.pitfall(id="stopped-leader")
def test_no_caller_waits_for_a_fetch_whose_event_loop_does_not_run() -> None:
    shop = Shop()
    lost, waiter = shop.by_hand(), shop.by_hand()
    next(lost)
    waiting: Any = next(waiter)
    waiting.fetch.is_running = lambda: False

    assert isinstance(shop.get(), AccessToken)
    assert shop.clock.now == 1000


def test_for_a_fetch_that_is_overdue_a_caller_does_not_wait() -> None:
    shop = Shop()
    lost, waiter = shop.by_hand(), shop.by_hand()
    next(lost)
    shop.clock.now += 100
    waiting: Any = next(waiter)

    assert waiting.lost_after_seconds == 0.0


@pytest.mark.pitfall(id="frozen-process")
def test_a_process_that_was_frozen_within_a_fetch_tries_once_more() -> None:
    shop = Shop(token())
    fetching, waiter = shop.by_hand(), shop.by_hand()
    next(fetching)
    waiting: Any = next(waiter)
    shop.clock.now += 60
    again = fetching.send(TokenResponse(failure="no whole answer in time"))
    assert isinstance(again, Post)
    assert waiting.fetch.outcome is NoResult.ABANDONED
    joined: Any = waiter.send(NoResult.TIMED_OUT)  # Its time was over, too, when it woke up.
    assert isinstance(joined, Wait)
    with pytest.raises(StopIteration) as end:
        fetching.send(shop.server(again.request))
    with pytest.raises(StopIteration) as other:
        waiter.send(joined.fetch.outcome)

    assert end.value.value is other.value.value is shop.token()


@pytest.mark.pitfall(id="frozen-process")
def test_an_impatient_caller_that_was_frozen_joins_the_fetch_again() -> None:
    shop = Shop()
    fetching, waiter = shop.by_hand(), inline(shop.tokens.acquire(DEFAULT_OPTIONS, None, 0.3))
    next(fetching)
    next(waiter)
    shop.clock.now += 5

    again = waiter.send(NoResult.TIMED_OUT)
    assert isinstance(again, Wait)
    assert again.seconds == pytest.approx(0.3)
    fetching.close()
    waiter.close()


def test_a_fetch_that_is_late_twice_is_a_failure() -> None:
    shop = Shop()
    fetching = shop.by_hand()
    next(fetching)
    late = TokenResponse(failure="no whole answer in time")
    shop.clock.now += 60
    fetching.send(late)
    shop.clock.now += 60
    with pytest.raises(StopIteration) as end:
        fetching.send(late)

    assert isinstance(end.value.value, TokenEndpointUnavailableError)
    assert shop.tokens.report().failure is not None


def test_a_caller_waits_no_longer_than_it_says_and_the_fetch_goes_on() -> None:
    shop = Shop()
    fetching = shop.by_hand()
    next(fetching)
    before = shop.clock.now
    error = play(shop.tokens.acquire(DEFAULT_OPTIONS, None, 0.3), shop.server, shop.clock)

    assert isinstance(error, TokenEndpointUnavailableError)
    assert error.message
    assert error.remedy != error.default_remedy
    assert shop.clock.now == before + 0.3
    assert shop.tokens.report().fetching
    assert shop.tokens.report().failure is None


@pytest.mark.pitfall(id="impatient-callers")
def test_a_caller_with_a_usable_token_waits_a_moment_at_most(subtests: pytest.Subtests) -> None:
    for refresh in ("on_expiry", "ahead"):
        with subtests.test(refresh=refresh):
            shop = Shop(token(1000), refresh=refresh)
            first = shop.token()
            shop.clock.now += 985
            fetching = shop.tokens.acquire(DEFAULT_OPTIONS, None)
            assert isinstance(next(fetching), Background)  # which takes its time
            if refresh == "on_expiry":
                waiting: Any = fetching.send(True)
                assert waiting.seconds == WAIT_WITH_TOKEN
            before = shop.clock.now

            assert play(shop.tokens.acquire(DEFAULT_OPTIONS, None, 0.02), shop.server, shop.clock) is first
            assert shop.clock.now <= before + 0.02
            assert shop.token() is first
            assert shop.clock.now <= before + 0.12


def after_a_fetch_that_ended_early() -> Shop:
    shop = Shop()
    steps = shop.by_hand()
    next(steps)
    steps.close()
    return shop


@pytest.mark.pitfall(id="fetch-ends-early")
def test_a_fetch_that_begins_later_counts_as_lost_later() -> None:
    shop = after_a_fetch_that_ended_early()
    began = shop.clock.now
    fetching, waiter = shop.by_hand(), shop.by_hand()
    assert isinstance(next(fetching), Pause)
    waiting: Any = next(waiter)

    assert waiting.fetch.lost_at == began + PACE + 20 + GRACE


@pytest.mark.pitfall(id="fetch-ends-early")
def test_a_fetch_that_begins_later_takes_the_token_of_another_one() -> None:
    shop = after_a_fetch_that_ended_early()
    fetching, own = shop.by_hand(), shop.by_hand()
    assert isinstance(next(fetching), Pause)
    next(own)
    assert isinstance(own.send(NoResult.OWN_THREAD), Pause)
    shop.clock.now += PACE
    assert isinstance(own.send(None), Post)
    with pytest.raises(StopIteration) as first:
        own.send(token())
    with pytest.raises(StopIteration) as second:
        fetching.send(None)

    assert isinstance(first.value.value, AccessToken)
    assert second.value.value is first.value.value


def test_a_fetch_in_the_thread_of_its_caller_has_the_options_of_that_caller() -> None:
    shop, wide = Shop(), TokenOptions(scope="wide")
    leader, waiter = shop.by_hand(wide), shop.by_hand(wide)
    next(leader)
    next(waiter)
    posting: Any = waiter.send(NoResult.OWN_THREAD)

    assert b"scope=wide" in posting.request.body


@pytest.mark.pitfall(id="fetch-ends-early")
def test_a_fetch_that_ends_early_delays_the_next_one_and_fails_no_call() -> None:
    shop = Shop(token(1000), token(1000))
    first = shop.by_hand()
    next(first)
    shop.clock.now += 0.25
    first.close()
    assert isinstance(shop.get(), AccessToken)
    assert shop.clock.now == 1001.0
    assert shop.asked == 1


def test_after_a_fetch_that_ended_early_a_rejected_token_is_still_replaced() -> None:
    shop = Shop(token(), token())
    first = shop.token()
    ended = shop.by_hand(rejected=first)
    next(ended)
    ended.close()
    steps = shop.by_hand(rejected=first)
    pause = next(steps)
    assert isinstance(pause, Pause)
    waiter = shop.by_hand(rejected=first)
    waiting: Any = next(waiter)
    shop.clock.now += pause.seconds

    assert isinstance(next(steps), Post)
    assert waiting.fetch.outcome is None  # The caller that waits is not given the rejected token.
    steps.close()
    waiter.close()


def test_a_caller_with_less_patience_than_the_pace_has_an_error() -> None:
    shop = Shop()
    first = shop.by_hand()
    next(first)
    first.close()
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None, 0.25)
    assert isinstance(next(steps), Background)
    waiting: Any = steps.send(True)
    assert waiting.seconds == 0.25
    shop.clock.now += 0.25
    with pytest.raises(StopIteration) as end:
        steps.send(NoResult.TIMED_OUT)

    assert isinstance(end.value.value, TokenEndpointUnavailableError)
    assert shop.asked == 0


@pytest.mark.pitfall(id="fetch-ends-early")
def test_in_the_pace_a_token_that_still_works_is_used() -> None:
    shop = Shop(token(1000))
    kept = shop.token()
    shop.clock.now += 985
    refreshing = shop.by_hand()
    next(refreshing)
    refreshing.close()

    assert shop.token() is kept
    assert shop.asked == 1


def test_a_caller_of_a_cancelled_leader_gets_an_error() -> None:
    shop = Shop()
    leader, waiter = shop.by_hand(), shop.by_hand()
    next(leader)
    waiting: Any = next(waiter)
    leader.close()

    assert waiting.fetch.outcome is NoResult.ABANDONED
    waiter.close()


def test_a_rejected_token_that_is_shared_is_not_returned_to_its_caller() -> None:
    shop = Shop(token(), token())
    refused_token = shop.token()

    assert shop.token(rejected=refused_token).serial > refused_token.serial
    assert shop.asked == 2


def test_a_rejected_token_is_not_returned_where_there_is_no_other() -> None:
    shop = Shop(token(), refused("invalid_scope"))
    refused_token = shop.token()

    assert isinstance(shop.get(rejected=refused_token), TokenRequestRefusedError)


def test_a_rejected_token_is_replaced_for_sync_and_async_callers() -> None:
    shop = Shop(token(), token(), token())
    refused_token = shop.token()

    async def send(request: TokenRequest) -> TokenResponse:
        return shop.server(request)

    async def aget(rejected: AccessToken) -> AccessToken:
        return await shop.tokens.aget_token(DEFAULT_OPTIONS, rejected, send)

    second = shop.tokens.get_token(DEFAULT_OPTIONS, refused_token, shop.server)
    third = anyio.run(aget, second)

    assert refused_token.serial < second.serial < third.serial


def test_new_credentials_are_read_before_a_fetch_and_again_after_invalid_client() -> None:
    looks: list[bool] = []

    def credentials_source(*, force: bool) -> None:
        looks.append(force)

    shop = Shop(refused("invalid_client", 401), credentials_source=credentials_source)
    shop.get()

    assert looks == [False, True]
    assert shop.asked == 1


def test_a_refused_token_request_is_repeated_with_new_credentials_only() -> None:
    new = iter([endpoint("new")])
    shop = Shop(refused("invalid_client", 401), token(), credentials_source=lambda *, force: next(new, None) if force else None)
    assert isinstance(shop.get(), AccessToken)
    assert shop.asked == 2
    assert len(shop.tokens.counters.fetches) == 1

    unchanging = Shop(refused("invalid_client", 401), token())
    assert isinstance(unchanging.get(), CredentialsRefusedError)
    assert unchanging.asked == 1


def test_any_401_makes_the_provider_read_its_credentials_again() -> None:
    looks: list[bool] = []

    def credentials_source(*, force: bool) -> None:
        looks.append(force)

    shop = Shop(refused("unauthorized", 401), credentials_source=credentials_source)
    shop.get()

    assert looks == [False, True]


@pytest.mark.pitfall(id="one-forbidden-scope")
def test_a_forbidden_audience_blocks_no_other(subtests: pytest.Subtests) -> None:
    rows = [
        ("unauthorized_client", 400),
        ("unauthorized_client", 401),
        ("access_denied", 401),
        ("invalid_scope", 400),
        ("invalid_target", 400),
    ]
    for code, status in rows:
        with subtests.test(code=code, status=status):
            shop = Shop(refused(code, status), token())
            shop.get(TokenOptions(audience="closed"))

            shop.token()
            assert isinstance(shop.get(TokenOptions(audience="closed")), TokenError)
            assert shop.asked == 2


class SharedNowhere:
    """Shared tokens without a store: every fetch goes on to the endpoint.

    Attributes:
        asked: for each fetch, whether there was a fallback, and whether it followed a rejection.
        before: called before a fetch goes on.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[bool, bool]] = []
        self.before: Callable[[], object] = lambda: None

    def fetch(
        self,
        endpoint: TokenEndpoint,
        key: TokenOptions,
        deadline_at: float,
        request_token: RequestToken,
        *,
        has_fallback: bool,
        after_rejection: bool,
    ) -> Steps[Outcome]:
        self.asked.append((has_fallback, after_rejection))
        self.before()
        return (yield from request_token(endpoint, key, deadline_at))[0]

    def listen(self, dropped: object) -> None:
        pass


def test_a_rejected_token_is_no_fallback() -> None:
    shared = SharedNowhere()
    shop = Shop(token(), token(), shared=shared)
    refused_token = shop.token()
    shop.token(rejected=refused_token)

    assert shared.asked == [(False, False), (False, True)]


def test_a_token_that_is_due_is_one_to_go_on_with() -> None:
    shared = SharedNowhere()
    shop = Shop(token(3600), token(), shared=shared)
    shop.token()
    shop.clock.now += 3590
    shop.token()

    assert shared.asked == [(False, False), (True, False)]


def test_a_fetch_with_new_credentials_is_for_the_same_reason() -> None:
    shared, secrets = SharedNowhere(), iter(["new"])

    def credentials_source(*, force: bool) -> TokenEndpoint | None:
        secret = next(secrets, None) if force else None
        return None if secret is None else endpoint(secret)

    shop = Shop(token(), refused("invalid_client", 401), token(), shared=shared, credentials_source=credentials_source)
    refused_token = shop.token()
    shop.token(rejected=refused_token)

    assert shared.asked[1:] == [(False, True), (False, True)]


def test_a_caller_that_waited_while_credentials_were_replaced_still_fetches() -> None:
    shared = SharedNowhere()
    shop = Shop(token(), shared=shared)
    shared.before = lambda: shop.tokens.replace_credentials(endpoint("new"))
    shop.token()

    assert (len(shared.asked), shop.asked) == (1, 1)


def test_a_success_is_the_end_of_a_failure() -> None:
    shop = Shop(refused("invalid_scope"), token())
    narrow = TokenOptions(scope="read")
    shop.get(narrow)
    shop.clock.now += 10
    shop.get(narrow)

    assert shop.tokens.report(narrow).failure is None


def test_the_second_lookup_finds_a_token_that_was_cached_meanwhile() -> None:
    shop = Shop(token(), refused("invalid_client"))
    first = shop.by_hand()
    next(first)
    waiter = shop.by_hand()
    next(waiter)
    with pytest.raises(StopIteration) as end:
        first.send(token())
    with pytest.raises(StopIteration) as late:
        waiter.send(NoResult.ABANDONED)

    assert late.value.value is end.value.value


def test_a_fetch_is_started_without_a_caller_only_if_it_is_due() -> None:
    clock, server = Clock(), Server(token(100), token(100), refused("invalid_client", 401))
    tokens = provider(clock)

    async def send(request: TokenRequest) -> TokenResponse:
        return server(request)

    for asked, seconds in ((1, 0), (1, 0), (2, 200), (3, 200), (3, 0)):
        clock.now += seconds
        tokens.start_fetch(server)
        helpers.wait_for(lambda: not tokens.report().fetching)
        assert len(server.requests) == asked
    clock.now += 200
    anyio.run(tokens.astart_fetch, send)
    assert len(server.requests) == 4


def test_a_fetch_without_a_caller_is_not_due_after_a_failure_of_its_options() -> None:
    forced: list[bool] = []

    def credentials_source(*, force: bool) -> None:
        forced.append(force)

    tokens, server = provider(credentials_source=credentials_source), Server(refused("invalid_scope", 400))
    for _ in range(2):
        tokens.start_fetch(server)
        helpers.wait_for(lambda: not tokens.report().fetching)

    assert len(server.requests) == 1
    assert forced == [False, False]


def test_a_fetch_without_a_caller_is_not_due_while_a_token_works() -> None:
    clock, server = Clock(), Server(token(100))
    tokens = provider(clock, refresh="ahead")
    play(tokens.acquire(tokens.defaults, None), server, clock)
    clock.now += 95
    tokens.start_fetch(server)

    assert not tokens.report().fetching
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="printed-secrets")
def test_nothing_of_a_provider_shows_its_secret() -> None:
    shop = Shop()
    kept = shop.token()

    assert "s3cret!" not in repr([shop.tokens, shop.tokens.endpoint, shop.server.requests])
    assert "token-" not in repr(kept)


def test_a_report_says_what_is_known_and_no_more() -> None:
    shop = Shop(token(100), refused("invalid_client", 401))
    idle = shop.tokens.report()
    shop.token()
    shop.clock.now += 40
    warm = shop.tokens.report()
    shop.clock.now += 61
    shop.get()
    shop.clock.now += 4
    failing = shop.tokens.report()

    assert (idle.expires_in, idle.failure, idle.is_usable, idle.fetching) == (None, None, False, False)
    assert (warm.expires_in, warm.failure, warm.is_usable) == (60, None, True)
    assert (idle.lifetime, warm.lifetime) == (None, 100)
    assert (failing.expires_in, failing.is_usable) == (-5, False)
    assert isinstance(failing.failure, CredentialsRefusedError)
    assert (failing.failed_ago, failing.cooldown_seconds) == (4, 6)


def test_a_report_is_about_one_key() -> None:
    shop = Shop(refused("invalid_scope"))
    narrow = TokenOptions(scope="read")
    shop.get(narrow)

    assert isinstance(shop.tokens.report(narrow).failure, TokenRequestRefusedError)
    assert shop.tokens.report().failure is None


def test_where_all_calls_have_options_of_their_own_a_report_is_about_the_token_that_lasts_longest() -> None:
    shop = Shop(token(100), token(300), token(200), refused("invalid_scope"))
    for scope in ("a", "b", "c"):
        shop.token(TokenOptions(scope=scope))
    theirs = shop.tokens.report()
    shop.get()
    own = shop.tokens.report()

    assert (theirs.lifetime, theirs.failure) == (300, None)
    assert own.lifetime is None
    assert isinstance(own.failure, TokenRequestRefusedError)


def test_a_report_is_about_the_clients_own_token_where_it_has_one() -> None:
    shop = Shop(token(100), token(300))
    shop.token()
    shop.token(TokenOptions(scope="a"))

    assert shop.tokens.report().lifetime == 100


def test_a_client_is_without_a_token_if_none_is_usable_and_the_last_fetch_failed() -> None:
    shop = Shop(token(100), refused("invalid_scope"), token(100))
    seen = [shop.tokens.report().without_token]
    for scope, seconds in (("a", 0), ("b", 50), (None, 51), ("b", 0)):
        shop.clock.now += seconds
        if scope:
            shop.get(TokenOptions(scope=scope))
        seen.append(shop.tokens.report().without_token)

    # The token for a is usable for 100 s, whatever becomes of b.
    assert seen == [False, False, False, True, False]


def test_a_report_says_for_how_long_nothing_is_asked() -> None:
    shop = Shop(answer(429, retry_after="40"), deadline_seconds=30)
    shop.get()
    at_first = shop.tokens.report()
    shop.clock.now += 40
    at_last = shop.tokens.report()

    assert (at_first.failed_ago, at_first.cooldown_seconds) == (0, 40)
    assert (at_last.failed_ago, at_last.cooldown_seconds) == (40, None)


def test_a_report_says_that_a_fetch_is_under_way() -> None:
    shop = Shop()
    steps = shop.by_hand()
    next(steps)

    assert shop.tokens.report().fetching
    steps.close()
    assert not shop.tokens.report().fetching


def test_a_plain_http_token_url_is_blocked_before_any_request() -> None:
    plain = dataclasses.replace(endpoint(), url="http://auth.example/token")
    with pytest.raises(InsecureTransportError) as caught:
        ClientCredentialsProvider(plain)
    assert caught.value.client == "shop"


@pytest.mark.pitfall(id="many-scopes")
def test_a_scope_in_use_is_asked_for_once_however_many_others_come_in_turn() -> None:
    shop = Shop(*(token() for _ in range(101)), cache=TokenCache(10))
    counters = shop.tokens.counters
    evicted = counters.evictions
    own = shop.token()
    for number in range(100):
        shop.token(TokenOptions(scope=str(number)))
        assert shop.token() is own

    assert shop.asked == 101
    assert counters.evictions - evicted == 91


def test_tokens_may_be_kept_in_a_store_of_one_s_own() -> None:
    store = TokenCache()
    shop = Shop(cache=store)
    kept = shop.token()

    assert store.get(DEFAULT_OPTIONS) is kept


@pytest.mark.pitfall(id="cold-cache")
def test_the_second_lookup_finds_the_token_of_another_fetch(subtests: pytest.Subtests) -> None:
    for brought in (token(), refused("invalid_client", 401)):
        with subtests.test(brought=brought):
            shop = Shop(token())
            other = shop.by_hand()
            next(other)

            def complete_the_other(other: Steps[Any] = other, brought: TokenResponse = brought) -> None:
                with pytest.raises(StopIteration):
                    other.send(brought)

            steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
            shop.clock.before_next(2, complete_the_other)  # no token is cached by then
            starting: Any = next(steps)
            assert isinstance(starting, Background)
            play(starting.steps, shop.server, shop.clock)
            steps.send(True)
            with pytest.raises(StopIteration) as end:
                steps.send(starting.fetch.outcome)
            got = end.value.value

            assert shop.asked == 0
            assert isinstance(got, CredentialsRefusedError if brought.status_code == 401 else AccessToken)
            assert starting.fetch.outcome is got  # Its waiters need no second decision.


def test_a_provider_of_its_own_has_no_shared_store_to_report_or_to_listen_to() -> None:
    shop = Shop(token(100))
    shop.tokens.listen()
    shop.tokens.invalidate(shop.token())

    assert (shop.tokens.store_report().kind, shop.tokens.store_report().reachable) == ("memory", None)


def test_a_failure_of_credentials_that_were_replaced_meanwhile_says_nothing(subtests: pytest.Subtests) -> None:
    for replaced in ("while asking", "while pausing"):
        with subtests.test(replaced=replaced):
            shop = Shop(token())
            steps = shop.by_hand()
            effect: Any = next(steps)
            if replaced == "while pausing":
                effect = steps.send(LOST)
            shop.tokens.replace_credentials(endpoint("rotated"))
            effect = steps.send(None if isinstance(effect, Pause) else refused("invalid_client", 401))
            assert isinstance(effect, Post)  # with the new ones
            with pytest.raises(StopIteration) as end:
                steps.send(shop.server(effect.request))

            assert isinstance(end.value.value, AccessToken)
            assert shop.token() is end.value.value
            assert shop.tokens.report().failure is None


class RejectedAtOnce(TokenCache):
    """Cache whose first token is rejected for another caller as soon as it is put."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse: Callable[[AccessToken], object] | None = None

    def put(self, options: TokenOptions, token: AccessToken, now: float) -> int:
        evicted = super().put(options, token, now)
        if self.refuse:
            self.refuse(token)
            self.refuse = None
        return evicted


def test_a_token_rejected_before_its_fetch_completes_is_returned_to_no_caller() -> None:
    store = RejectedAtOnce()
    shop = Shop(token(), token(), cache=store)
    store.refuse = shop.tokens.invalidate
    landed = []
    for _ in range(2):
        leader, waiter = shop.by_hand(), shop.by_hand()
        next(leader)
        waiting: Any = next(waiter)
        with pytest.raises(StopIteration):
            leader.send(shop.server(helpers.endpoint().request(DEFAULT_OPTIONS, 1.0, 0.0)))
        landed.append(waiting.fetch.outcome)
        waiter.close()

    assert landed == [NoResult.ABANDONED, shop.tokens.current(DEFAULT_OPTIONS, None)]


def test_a_caller_whose_fetch_fails_uses_what_another_one_has_fetched_meanwhile() -> None:
    store = TokenCache()
    shop = Shop(token(), cache=store)
    steps = shop.by_hand()
    next(steps)
    kept = AccessToken(Secret("another's"), expires_at=shop.clock.now + 60)
    store.put(DEFAULT_OPTIONS, kept, shop.clock.now)
    with pytest.raises(StopIteration) as end:
        steps.send(refused("invalid_scope"))

    assert end.value.value is kept


@pytest.mark.pitfall(id="earlier-secrets")
def test_no_error_repeats_what_earlier_exchanges_held(subtests: pytest.Subtests) -> None:
    """Tokens that expired, a secret that was replaced, and what follows the first 4,096 characters of a long token."""
    first, long = "an-earlier-token-1", "".join(f"{number:x}." for number in range(5000))[:16_000]
    for echo in (first, long[9000:9030], "an-old-client-secret"):
        with subtests.test(echo=echo):
            refusal = answer(400, {"error": "invalid_scope", "error_description": f"Seen: {echo}", "error_reference": echo})
            shop = Shop(*(token(10, access_token=text) for text in (first, long, "another-token-3")), refusal)
            shop.tokens.replace_credentials(endpoint("an-old-client-secret"))
            shop.token()
            shop.tokens.replace_credentials(endpoint("a-new-client-secret"))
            for _ in range(2):
                shop.clock.now += 20
                shop.token()
            shop.clock.now += 20
            error = shop.get()
            assert isinstance(error, TokenError)
            assert echo not in f"{error} {vars(error)}"
