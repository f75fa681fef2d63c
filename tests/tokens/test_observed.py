"""What is counted and recorded of the steps to a token. In virtual time, with OpenTelemetry's SDK in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from prio_middleware import AccessToken, ConfigurationError, CredentialsRefusedError, Secret, TokenError, TokenOptions
from prio_middleware.telemetry.fetch import Afterwards, FetchFacts
from prio_middleware.telemetry.names import FETCH, WAIT
from prio_middleware.telemetry.providers import Telemetry
from prio_middleware.telemetry.tally import LEDGER, Tally
from prio_middleware.tokens.effects import Background, Post, Steps, Wait, Within
from prio_middleware.tokens.endpoint import TokenAnswer
from prio_middleware.tokens.flight import Flight, Outcome, Unanswered
from prio_middleware.tokens.observed import observe_acquisition, observe_fetch
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.telemetry.kit import Recorder, attributes
from tests.tokens.kit import answer, endpoint, refused, token
from tests.tokens.shared.fleet import Fleet
from tests.tokens.test_effects import REQUEST
from tests.tokens.test_provider import LOST, Shop

TOKEN = AccessToken(Secret("t"))
SPAN = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        yield recorder


def ended(steps: Steps[Any], *results: Any) -> Any:
    """What the steps come to when their effects have these results."""
    *before, last = (None, *results)
    for result in before:
        steps.send(result)
    with pytest.raises(StopIteration) as end:
        steps.send(last)
    return end.value.value


# How a caller came by its token.


def acquisition(*effects: Any, outcome: AccessToken | TokenError = TOKEN) -> Steps[AccessToken | TokenError]:
    for effect in effects:  # noqa: UP028 - it would hand on what is sent
        yield effect
    return outcome


REFUSED = CredentialsRefusedError("no")
WAITING, LEADING, ASIDE = Wait(Flight(0.0), 1.0), Post(REQUEST), Background(acquisition(), Flight(0.0))


@pytest.mark.parametrize(
    ("effects", "outcome", "counted"),
    [
        ([], TOKEN, "fresh"),
        ([ASIDE], TOKEN, "fresh"),
        ([LEADING], TOKEN, "led"),
        ([WAITING], TOKEN, "joined"),
        ([WAITING, ASIDE], TOKEN, "joined"),
        ([WAITING, LEADING], TOKEN, "led"),
        ([LEADING], REFUSED, "failed"),
        ([], REFUSED.copy(held_back=True), "held_back"),
    ],
)
def test_how_a_caller_came_by_its_token_is_counted(effects: list[Any], outcome: AccessToken | TokenError, counted: str) -> None:
    tally = Tally("shop")
    for _ in range(2):
        assert ended(observe_acquisition(acquisition(*effects, outcome=outcome), tally, "shop"), *effects) is outcome

    assert {how: count for how, count in tally.acquisitions.items() if count} == {counted: 2}
    assert tally.waiting == 0


def test_a_mistake_of_the_caller_s_counts_as_failed() -> None:
    shop, counts = Shop(), LEDGER.of("shop").acquisitions
    before = counts["failed"]
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            shop.get(TokenOptions(params=(("scope", "x"),)))

    assert counts["failed"] == before + 2


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(TOKEN, None), (Unanswered.OVERDUE, None), (Unanswered.HANDED_OVER, None), (REFUSED, "CredentialsRefusedError")],
)
def test_a_wait_is_recorded_with_the_fetch_it_was_for(recorder: Recorder, outcome: Outcome, error: str | None) -> None:
    flight = Flight(0.0)
    flight.span = SPAN
    ended(observe_acquisition(acquisition(Wait(flight, 1.0)), Tally("shop"), "shop"), outcome)
    wait = recorder.span(WAIT.name)

    assert [link.context for link in wait.links] == [SPAN]
    assert (wait.attributes or {}).get("error.type") == error
    assert wait.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
    assert attributes(wait)["credential.name"] == "shop"


def test_a_wait_that_ends_with_its_caller_is_recorded_as_cancelled(recorder: Recorder) -> None:
    flight, tally = Flight(0.0), Tally("shop")
    flight.span = SPAN
    steps = observe_acquisition(acquisition(Wait(flight, 1.0)), tally, "shop")
    next(steps)
    assert tally.waiting == 1
    steps.close()
    wait = recorder.span(WAIT.name)

    assert [link.context for link in wait.links] == [SPAN]
    assert attributes(wait)["error.type"] == "CancelledError"
    assert tally.waiting == 0


def test_who_finds_himself_leading_has_not_waited(recorder: Recorder) -> None:
    ended(observe_acquisition(acquisition(WAITING), Tally("shop"), "shop"), Unanswered.OWN_THREAD)

    assert recorder.spans(WAIT.name) == []


def test_the_provider_tells_whose_wait_it_is(recorder: Recorder) -> None:
    shop = Shop()
    leader, waiter = shop.tokens.acquire(DEFAULT_OPTIONS, None), shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(leader)
    next(waiter)
    waiter.close()
    leader.close()
    wait, fetch = recorder.span(WAIT.name), recorder.span(FETCH.name)

    assert attributes(wait)["credential.name"] == "shop"
    assert [link.context for link in wait.links] == [fetch.get_span_context()]


# What is recorded of a fetch.


def fetch_of(*effects: Any, outcome: Outcome | Exception = TOKEN) -> Steps[Outcome]:
    for effect in effects:  # noqa: UP028 - it would hand on what is sent
        yield effect
    if isinstance(outcome, Exception) and not isinstance(outcome, TokenError):
        raise outcome
    return outcome


def observed(steps: Steps[Outcome], tally: Tally, flight: Flight | None = None) -> Steps[Outcome]:
    return observe_fetch(steps, FetchFacts(tally, "shop", "https://auth.example/token", "initial"), flight, afterwards)


def afterwards() -> Afterwards:
    return Afterwards("https://auth.example/token")


@pytest.mark.parametrize(
    ("outcome", "recorded"),
    [
        (AccessToken(Secret("t"), lifetime=5.0), ("ok", "endpoint")),
        (AccessToken(Secret("t"), lifetime=5.0, source="shared"), ("ok", "shared")),
        (CredentialsRefusedError("no", code="invalid_client"), ("invalid_client", "endpoint")),
        (Unanswered.HANDED_OVER, ("CancelledError", "endpoint")),
    ],
)
def test_how_a_fetch_ended_is_kept(outcome: Outcome, recorded: tuple[str, str]) -> None:
    tally = Tally("shop")
    steps = observed(fetch_of(LEADING, LEADING, outcome=outcome), tally)

    assert ended(steps, TokenAnswer(503), TokenAnswer(200)) is outcome
    (seen,) = tally.fetches
    assert (seen.outcome, seen.source) == recorded
    assert (seen.reason, seen.attempts) == ("initial", 2)


def test_an_error_of_another_kind_is_recorded_and_goes_on() -> None:
    tally = Tally("shop")
    with pytest.raises(ConfigurationError):
        next(observed(fetch_of(outcome=ConfigurationError("no")), tally))

    assert [seen.outcome for seen in tally.fetches] == ["ConfigurationError"]


def test_only_refusals_of_token_requests_are_4xx_answers() -> None:
    tally = Tally("shop")
    ended(observed(fetch_of(LEADING, LEADING, ASIDE), tally), TokenAnswer(401), TokenAnswer(503), None)

    assert tally.client_errors.count() == 1


def test_requests_are_sent_within_the_span_of_the_fetch_and_everything_else_as_it_is(recorder: Recorder) -> None:
    flight = Flight(0.0)
    steps = observed(fetch_of(LEADING, WAITING), Tally("shop"), flight)
    effects = [next(steps), steps.send(TokenAnswer(200))]
    with pytest.raises(StopIteration):
        steps.send(None)
    fetch = recorder.span(FETCH.name)

    assert isinstance(effects[0], Within)
    assert effects[0].effect == LEADING
    assert effects[0].do(lambda _: TokenAnswer(200)).status_code == 200
    assert effects[1] == WAITING
    assert flight.span == fetch.get_span_context()


Prepare = Callable[[Shop], object]


def expire(shop: Shop) -> None:
    shop.token()
    shop.clock.now += 3590


@pytest.mark.parametrize(
    ("prepare", "is_stale", "reason"),
    [
        (lambda _: None, False, "initial"),
        (expire, False, "expiring"),
        (lambda shop: shop.tokens.invalidate(shop.token()), False, "rejected"),
        (lambda shop: shop.token(), True, "rejected"),
        (lambda shop: (shop.token(), shop.tokens.use(endpoint("rotated"))), False, "forced"),
    ],
)
def test_why_a_token_is_fetched(recorder: Recorder, prepare: Prepare, is_stale: bool, reason: str) -> None:
    shop = Shop(token(3600), token(3600))
    prepare(shop)
    recorder.clear()
    shop.token(stale=shop.tokens.current(DEFAULT_OPTIONS, None) if is_stale else None)
    fetch = recorder.span(FETCH.name)

    assert attributes(fetch) == {
        "credential.name": "shop",
        "server.address": "auth.example",
        "server.port": 443,
        "token.fetch.reason": reason,
        "token.fetch.attempts": 1,
        "token.expires_in": 3600.0,
        "token.source": "endpoint",
    }
    assert LEDGER.of("shop").fetches[0].reason == reason


def test_a_token_that_another_process_dropped_was_rejected(recorder: Recorder) -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    second.tokens.listen()
    refused_token = first.token()
    second.token()
    first.after_refusal_of(refused_token)
    recorder.clear()
    second.token()

    assert attributes(recorder.span(FETCH.name))["token.fetch.reason"] == "rejected"


def test_every_attempt_counts(recorder: Recorder) -> None:
    Shop(LOST, answer(503), token()).token()

    assert attributes(recorder.span(FETCH.name))["token.fetch.attempts"] == 3


def test_a_refresh_beside_a_call_is_linked_to_it_and_no_part_of_it(recorder: Recorder) -> None:
    shop = Shop(token(1000), token(1000), refresh="ahead")
    shop.token()
    shop.clock.now += 975
    recorder.clear()
    with recorder.tracer.start_as_current_span("call") as call:
        shop.token()
    fetch = recorder.span(FETCH.name)

    assert fetch.parent is None
    assert [link.context for link in fetch.links] == [call.get_span_context()]
    assert attributes(fetch)["token.fetch.reason"] == "expiring"


def test_who_waits_for_his_own_thread_fetches_for_the_reason_he_had(recorder: Recorder) -> None:
    shop = Shop(token())
    refused_token = shop.token()
    leader, waiter = (shop.tokens.acquire(DEFAULT_OPTIONS, refused_token) for _ in range(2))
    next(leader)
    next(waiter)
    recorder.clear()
    waiter.send(Unanswered.OWN_THREAD)
    waiter.close()
    leader.close()

    assert [attributes(fetch)["token.fetch.reason"] for fetch in recorder.spans(FETCH.name)] == ["rejected", "rejected"]


def test_for_which_token_nothing_is_asked_is_told(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(token(), refused("invalid_scope"))
    shop.token()
    with caplog.at_level(logging.WARNING):
        shop.get(TokenOptions(scope="read"))

    assert "asks for no token for 10.0 s" in caplog.text


def test_that_nothing_is_asked_for_a_while_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Shop(refused("invalid_client", 401)).get()

    assert [record.getMessage() for record in caplog.records][-1:] == [
        "The client 'shop' asks for no token for 10.0 s: the server would say the same again."
    ]
