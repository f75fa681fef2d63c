"""Observation of token fetches for telemetry, status and readiness."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import TokenError
from ..telemetry.counters import ClientCounters
from ..telemetry.spans import FetchContext, FetchObserver, FetchResult, ProviderState, WaitObserver
from .access_token import AccessToken
from .effects import Pause, Post, Steps, Wait
from .single_flight import InFlightFetch, NoResult, Outcome, Result
from .token_response import TokenResponse


def observe_acquisition(steps: Steps[Result], counters: ClientCounters, client: str) -> Steps[Result]:
    """Yield the same effects, count the result, and record the time that the caller waits for another caller's fetch."""
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
                how = "fetched" if isinstance(effect, Wait | Post) else how
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
    """Yield the same effects, and record them as one fetch. ``provider_state`` is called after it."""
    observer = FetchObserver(context)
    fetch.span = observer.span
    ended, result = FetchResult(), None  # Stopped or abandoned, until it has another result.
    try:
        while True:
            effect = steps.send(result)
            if isinstance(effect, Pause) and effect.failure:
                observer.failed(effect.failure, effect.seconds, effect.give_up_seconds)
            if isinstance(effect, Post) and observer.span.is_valid:
                effect = effect._replace(context=observer.context)
            result = yield effect
            if isinstance(effect, Post) and effect.request.method == "POST":  # Not one for metadata.
                response: TokenResponse = result
                observer.attempts += 1
                context.counters.count_client_error(response.status_code)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        if isinstance(outcome, AccessToken):
            ended = FetchResult(source=outcome.source, lifetime=outcome.lifetime)
        elif isinstance(outcome, TokenError):
            ended = FetchResult(outcome)
        return outcome
    except Exception as error:
        ended = FetchResult(error)
        raise
    finally:
        steps.close()
        observer.end(ended, provider_state(), fetch.joined)


def _observe_wait(wait: Wait, counters: ClientCounters, client: str) -> Steps[Outcome]:
    observer = WaitObserver(counters, client)
    wait.fetch.join_span(observer.caller)
    try:
        outcome: Outcome = yield wait
    except BaseException:
        observer.end(wait.fetch.span, None, cancelled=True)
        raise
    if outcome is NoResult.OWN_THREAD:
        observer.drop()
    else:
        observer.end(wait.fetch.span, outcome if isinstance(outcome, TokenError) else None, cancelled=False)
    return outcome
