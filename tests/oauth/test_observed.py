"""Counts and spans of the steps to a token, in virtual time, with OpenTelemetry's SDK in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from prio_middleware import AccessToken, ConfigurationError, CredentialsRefusedError, Secret, TokenError, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Background, Post, Steps, Wait
from prio_middleware.oauth.observation import observe_acquisition, observe_fetch
from prio_middleware.oauth.single_flight import InFlightFetch, NoResult, Outcome
from prio_middleware.oauth.token_response import TokenResponse
from prio_middleware.telemetry.counters import ClientCounters
from prio_middleware.telemetry.metrics import Telemetry
from prio_middleware.telemetry.names import FETCH, WAIT
from prio_middleware.telemetry.spans import FetchContext, ProviderState
from tests.oauth.helpers import answer, endpoint, refused, token
from tests.oauth.shared.fleet import Fleet
from tests.oauth.test_effects import REQUEST
from tests.oauth.test_provider import LOST, Shop
from tests.telemetry.helpers import Recorder, attributes

TOKEN = AccessToken(Secret("t"))
SPAN = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        yield recorder


def ended(steps: Steps[Any], *results: Any) -> Any:
    """Return the result of the steps for these results of their effects."""
    *before, last = (None, *results)
    for result in before:
        steps.send(result)
    with pytest.raises(StopIteration) as end:
        steps.send(last)
    return end.value.value


# Outcomes of an acquisition.


def acquisition(*effects: Any, outcome: AccessToken | TokenError = TOKEN) -> Steps[AccessToken | TokenError]:
    for effect in effects:  # noqa: UP028 - it would hand on what is sent
        yield effect
    return outcome


REFUSED = CredentialsRefusedError("no")
WAITING, LEADING, ASIDE = Wait(InFlightFetch(0.0), 1.0, 1.0), Post(REQUEST), Background(acquisition(), InFlightFetch(0.0))


STARTED = Wait(InFlightFetch(0.0), 1.0, 1.0, joined=False)


def test_how_a_caller_came_by_its_token_is_counted(subtests: pytest.Subtests) -> None:
    rows: list[tuple[list[Any], AccessToken | TokenError, str]] = [
        ([], TOKEN, "cached"),
        ([ASIDE], TOKEN, "cached"),
        ([LEADING], TOKEN, "fetched"),
        ([ASIDE, STARTED], TOKEN, "fetched"),
        ([ASIDE, STARTED, WAITING], TOKEN, "waited"),
        ([WAITING], TOKEN, "waited"),
        ([WAITING, ASIDE], TOKEN, "waited"),
        ([WAITING, LEADING], TOKEN, "fetched"),
        ([LEADING], REFUSED, "failed"),
        ([], REFUSED.copy(cooling_down=True), "cooling_down"),
    ]
    for effects, outcome, counted in rows:
        with subtests.test(effects=effects, outcome=outcome, counted=counted):
            counters = ClientCounters("shop")
            for _ in range(2):
                assert ended(observe_acquisition(acquisition(*effects, outcome=outcome), counters, "shop"), *effects) is outcome

            assert {how: count for how, count in counters.acquisitions.items() if count} == {counted: 2}
            assert counters.waiting == 0


def test_a_mistake_of_the_caller_s_counts_as_failed() -> None:
    shop = Shop()
    counts = shop.tokens.counters.acquisitions
    before = counts["failed"]
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            shop.get(TokenOptions(params=(("scope", "x"),)))

    assert counts["failed"] == before + 2


def test_a_wait_is_recorded_with_the_fetch_it_was_for(subtests: pytest.Subtests, recorder: Recorder) -> None:
    rows: list[tuple[Outcome, str | None]] = [
        (TOKEN, None),
        (NoResult.TIMED_OUT, None),
        (NoResult.ABANDONED, None),
        (REFUSED, "invalid_client"),
    ]
    for outcome, error in rows:
        with subtests.test(outcome=outcome, error=error):
            recorder.clear()
            fetch = InFlightFetch(0.0)
            fetch.span = SPAN
            ended(observe_acquisition(acquisition(Wait(fetch, 1.0, 1.0)), ClientCounters("shop"), "shop"), outcome)
            wait = recorder.span(WAIT)

            assert [link.context for link in wait.links] == [SPAN]
            assert (wait.attributes or {}).get("error.type") == error
            assert wait.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
            assert attributes(wait)["credential.name"] == "shop"


def test_a_wait_that_ends_with_its_caller_is_recorded_as_cancelled(recorder: Recorder) -> None:
    fetch, counters = InFlightFetch(0.0), ClientCounters("shop")
    fetch.span = SPAN
    steps = observe_acquisition(acquisition(Wait(fetch, 1.0, 1.0)), counters, "shop")
    next(steps)
    assert counters.waiting == 1
    steps.close()
    wait = recorder.span(WAIT)

    assert [link.context for link in wait.links] == [SPAN]
    assert attributes(wait)["error.type"] == "cancelled"
    assert counters.waiting == 0


def test_a_caller_that_starts_the_fetch_has_not_waited(recorder: Recorder) -> None:
    ended(observe_acquisition(acquisition(WAITING), ClientCounters("shop"), "shop"), NoResult.OWN_THREAD)

    assert recorder.spans(WAIT) == []


def test_the_provider_reports_the_client_of_each_wait(recorder: Recorder) -> None:
    shop = Shop()
    leader, waiter = shop.by_hand(), shop.by_hand()
    next(leader)
    next(waiter)
    waiter.close()
    leader.close()
    wait, fetch = recorder.span(WAIT), recorder.span(FETCH)

    assert attributes(wait)["credential.name"] == "shop"
    assert [link.context for link in wait.links] == [fetch.get_span_context()]


# What is recorded of a fetch.


def fetch_of(*effects: Any, outcome: Outcome | Exception = TOKEN) -> Steps[Outcome]:
    for effect in effects:  # noqa: UP028 - it would hand on what is sent
        yield effect
    if isinstance(outcome, Exception) and not isinstance(outcome, TokenError):
        raise outcome
    return outcome


def observed(steps: Steps[Outcome], counters: ClientCounters, fetch: InFlightFetch | None = None) -> Steps[Outcome]:
    facts = FetchContext(counters, "shop", "https://auth.example/token", "initial")
    return observe_fetch(steps, facts, fetch or InFlightFetch(0.0), afterwards)


def afterwards() -> ProviderState:
    return ProviderState("https://auth.example/token")


def test_how_a_fetch_ended_is_kept(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Outcome, tuple[str, str]]] = [
        (AccessToken(Secret("t"), lifetime=5.0), ("ok", "endpoint")),
        (AccessToken(Secret("t"), lifetime=5.0, source="shared"), ("ok", "shared")),
        (CredentialsRefusedError("no", code="invalid_client"), ("invalid_client", "endpoint")),
        (NoResult.ABANDONED, ("cancelled", "endpoint")),
    ]
    for outcome, recorded in rows:
        with subtests.test(outcome=outcome, recorded=recorded):
            counters = ClientCounters("shop")
            steps = observed(fetch_of(LEADING, LEADING, outcome=outcome), counters)

            assert ended(steps, TokenResponse(503), TokenResponse(200)) is outcome
            (seen,) = counters.fetches
            assert (seen.outcome, seen.source) == recorded
            assert (seen.reason, seen.attempts) == ("initial", 2)


def test_an_error_of_another_kind_is_recorded_and_goes_on() -> None:
    counters = ClientCounters("shop")
    with pytest.raises(ConfigurationError):
        next(observed(fetch_of(outcome=ConfigurationError("no")), counters))

    assert [seen.outcome for seen in counters.fetches] == ["_OTHER"]


def test_only_errors_of_the_token_endpoint_are_4xx_responses() -> None:
    counters = ClientCounters("shop")
    ended(observed(fetch_of(LEADING, LEADING, ASIDE), counters), TokenResponse(401), TokenResponse(503), None)

    assert counters.client_errors.count() == 1


def test_requests_are_sent_within_the_span_of_the_fetch_and_everything_else_as_it_is(recorder: Recorder) -> None:
    fetch = InFlightFetch(0.0)
    steps = observed(fetch_of(LEADING, WAITING), ClientCounters("shop"), fetch)
    effects = [next(steps), steps.send(TokenResponse(200))]
    with pytest.raises(StopIteration):
        steps.send(None)
    span = recorder.span(FETCH)

    assert isinstance(effects[0], Post)
    assert effects[0].request is LEADING.request
    assert effects[0].do(lambda _: TokenResponse(200)).status_code == 200
    assert effects[1] == WAITING
    assert fetch.span == span.get_span_context()


Prepare = Callable[[Shop], object]


def expire(shop: Shop) -> None:
    shop.token()
    shop.clock.now += 3590


def rotate(shop: Shop) -> None:
    shop.token()
    shop.tokens.replace_credentials(endpoint("rotated"))


def test_why_a_token_is_fetched(subtests: pytest.Subtests, recorder: Recorder) -> None:
    rows: list[tuple[Prepare, bool, str]] = [
        (lambda _: None, False, "initial"),
        (expire, False, "expiring"),
        (lambda shop: shop.tokens.invalidate(shop.token()), False, "rejected"),
        (lambda shop: shop.token(), True, "rejected"),
        (rotate, False, "forced"),
    ]
    for prepare, is_stale, reason in rows:
        with subtests.test(prepare=prepare, is_stale=is_stale, reason=reason):
            shop = Shop(token(3600), token(3600))
            prepare(shop)
            recorder.clear()
            shop.token(rejected=shop.tokens.current(DEFAULT_OPTIONS, None) if is_stale else None)
            fetch = recorder.span(FETCH)

            assert attributes(fetch) == {
                "credential.name": "shop",
                "server.address": "auth.example",
                "server.port": 443,
                "token.fetch.reason": reason,
                "token.fetch.attempts": 1,
                "token.expires_in": 3600.0,
                "token.source": "endpoint",
            }
            assert shop.tokens.counters.fetches[0].reason == reason


def test_a_token_that_another_process_dropped_was_rejected(recorder: Recorder) -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    second.tokens.listen()
    refused_token = first.token()
    second.token()
    first.after_rejection_of(refused_token)
    recorder.clear()
    second.token()

    assert attributes(recorder.span(FETCH))["token.fetch.reason"] == "rejected"


def test_every_attempt_counts(recorder: Recorder) -> None:
    Shop(LOST, answer(503), token()).token()

    assert attributes(recorder.span(FETCH))["token.fetch.attempts"] == 3


def test_a_refresh_beside_a_call_is_linked_to_it_and_no_part_of_it(recorder: Recorder) -> None:
    shop = Shop(token(1000), token(1000), refresh="ahead")
    shop.token()
    shop.clock.now += 975
    recorder.clear()
    with recorder.tracer.start_as_current_span("call") as call:
        shop.token()
    fetch = recorder.span(FETCH)

    assert fetch.parent is None
    assert [link.context for link in fetch.links] == [call.get_span_context()]
    assert attributes(fetch)["token.fetch.reason"] == "expiring"


def test_a_fetch_belongs_to_the_trace_of_the_call_that_began_it_and_links_those_that_joined(recorder: Recorder) -> None:
    shop = Shop()
    with recorder.tracer.start_as_current_span("first") as first:
        fetching = shop.by_hand()
        posting: Any = next(fetching)
    with recorder.tracer.start_as_current_span("second") as second:
        waiter = shop.by_hand()
        next(waiter)
    with pytest.raises(StopIteration):
        fetching.send(shop.server(posting.request))
    waiter.close()
    fetch = recorder.span(FETCH)

    assert fetch.parent == first.get_span_context()
    assert [link.context for link in fetch.links] == [second.get_span_context()]


def test_the_links_of_a_fetch_are_bounded() -> None:
    fetch = InFlightFetch(0.0)
    for _ in range(1000):
        fetch.join_span(SPAN)
    assert len(fetch.joined) == 100


def test_a_caller_that_waits_for_its_own_thread_fetches_for_its_own_reason(recorder: Recorder) -> None:
    shop = Shop(token())
    refused_token = shop.token()
    leader, waiter = (shop.by_hand(rejected=refused_token) for _ in range(2))
    next(leader)
    next(waiter)
    recorder.clear()
    waiter.send(NoResult.OWN_THREAD)
    waiter.close()
    leader.close()

    assert [attributes(fetch)["token.fetch.reason"] for fetch in recorder.spans(FETCH)] == ["rejected", "rejected"]


def test_the_first_failed_attempt_is_logged_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Shop(answer(503), token()).token()
    record = next(record for record in caplog.records if vars(record)["prio_event"] == "token_request_failed")

    assert vars(record)["prio_outcome"] == "5xx"


def test_a_cool_down_of_one_kind_of_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(token(), refused("invalid_scope"))
    shop.token()
    with caplog.at_level(logging.WARNING):
        shop.get(TokenOptions(scope="read"))

    assert "makes no token request for 10.0 s" in caplog.text


def test_a_cool_down_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Shop(refused("invalid_client", 401)).get()

    assert [record.getMessage() for record in caplog.records][-1:] == [
        "Client 'shop' makes no token request for 10.0 s, because the last one failed."
    ]
