"""Observation of token fetches for telemetry, status and readiness."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import TokenError
from ..telemetry.counters import ClientCounters
from ..telemetry.spans import FetchContext, FetchObserver, FetchResult, ProviderState
from .access_token import AccessToken
from .effects import Pause, Post, Steps, Wait, Within
from .single_flight import InFlightFetch, NoOutcome, Outcome
from .token_response import TokenResponse

Result = AccessToken | TokenError


def observe_acquisition(steps: Steps[Result], counters: ClientCounters, client: str) -> Steps[Result]:
    """Yield the same steps, count their outcome, and record the time that the caller waits for another caller's fetch."""
    counters.check_fork()
    how, result = "cached", None
    try:
        while True:
            effect = steps.send(result)
            if isinstance(effect, Wait) and effect.joined:
                how = "waited"
                result = yield from _observe_wait(effect, counters, client)
            else:
                result = yield effect
                # A caller that starts a fetch and does not wait for it uses its present token.
                how = "fetched" if isinstance(effect, Wait | Post | Within) else how
    except StopIteration as stop:
        acquired: Result = stop.value
    except Exception:
        counters.acquisitions["failed"] += 1
        raise
    finally:
        steps.close()
    if isinstance(acquired, TokenError):
        how = "cooling_down" if acquired.cooling_down else "failed"
    counters.acquisitions[how] += 1
    return acquired


def observe_fetch(
    steps: Steps[Outcome], context: FetchContext, fetch: InFlightFetch, provider_state: Callable[[], ProviderState]
) -> Steps[Outcome]:
    """Yield the same steps, recorded as one fetch, with its requests inside its span.

    Args:
        steps: steps of the fetch.
        context: data about the fetch that is known before it.
        fetch: the fetch that callers join.
        provider_state: returns the provider's state, after the fetch.
    """
    observer = FetchObserver(context)
    fetch.span = observer.span
    ended = FetchResult()  # Of a fetch that is stopped or abandoned.
    try:
        result = yield from _count_requests(steps, observer, context.counters)
        match result:
            case AccessToken():
                ended = FetchResult(source=result.source, lifetime=result.lifetime)
            case TokenError():
                ended = FetchResult(result)
            case _:
                pass
    except Exception as error:
        ended = FetchResult(error)
        raise
    finally:
        observer.end(ended, provider_state(), fetch.joined)
    return result


def _count_requests(steps: Steps[Outcome], observer: FetchObserver, counters: ClientCounters) -> Steps[Outcome]:
    result = None
    try:
        while True:
            effect = steps.send(result)
            if isinstance(effect, Pause) and effect.failure:
                observer.failed(effect.failure, effect.seconds, effect.give_up_seconds)
            if isinstance(effect, Post) and observer.span.is_valid:
                result = yield Within(effect, observer.context)
            else:
                result = yield effect
            if type(effect) is Post:  # A metadata request is a subclass.
                response: TokenResponse = result
                observer.attempts += 1
                counters.count_client_error(response.status_code)
    except StopIteration as stop:
        fetched: Outcome = stop.value
        return fetched
    finally:
        steps.close()


def _observe_wait(wait: Wait, counters: ClientCounters, client: str) -> Steps[Outcome]:
    from ..telemetry.spans import WaitObserver

    observer = WaitObserver(counters, client)
    wait.fetch.join_span(observer.caller)
    try:
        outcome: Outcome = yield wait
    except BaseException:
        observer.end(wait.fetch.span, None, cancelled=True)
        raise
    if outcome is NoOutcome.OWN_THREAD:
        observer.drop()
    else:
        observer.end(wait.fetch.span, outcome if isinstance(outcome, TokenError) else None, cancelled=False)
    return outcome
