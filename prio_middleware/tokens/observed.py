"""The steps to a token, watched from outside: they pass through here as they are, and what they tell is recorded.

No span is current across a ``yield``: where these steps are dropped half way, none is left behind in somebody's context.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import TokenError
from ..telemetry.fetch import Afterwards, Fetched, FetchFacts, FetchWatch
from ..telemetry.tally import LEDGER, Tally
from .effects import Background, Effect, Post, Steps, Wait, Within
from .endpoint import TokenAnswer
from .flight import Flight, Outcome, Unanswered
from .token import AccessToken

Result = AccessToken | TokenError


def observe_acquisition(steps: Steps[Result], tally: Tally, client: str) -> Steps[Result]:
    """The same steps; how the caller came by the token is counted, and the time he waited for others recorded."""
    LEDGER.look_for_fork()
    how, result = "fresh", None
    try:
        while True:
            effect = steps.send(result)
            if isinstance(effect, Wait):
                how = "joined"
                result = yield from _observe_wait(effect, tally, client)
            else:
                how = how if isinstance(effect, Background) else "led"
                result = yield effect
    except StopIteration as stop:
        acquired: Result = stop.value
    except Exception:
        tally.acquisitions["failed"] += 1
        raise
    finally:
        steps.close()
    tally.acquisitions[_outcome(acquired, how)] += 1
    return acquired


def observe_fetch(
    steps: Steps[Outcome], facts: FetchFacts, flight: Flight | None, afterwards: Callable[[], Afterwards]
) -> Steps[Outcome]:
    """The same steps, recorded as one fetch; its requests are sent within its span.

    Args:
        steps: those of the fetch.
        facts: what is known before.
        flight: where others wait for it.
        afterwards: looks what the provider knows when it has ended.
    """
    watch = FetchWatch(facts)
    if flight:
        flight.span = watch.span
    ended = Fetched()  # What is recorded if the caller is cancelled, or others have to fetch instead.
    try:
        result = yield from _count_requests(steps, watch, facts.tally)
        ended = _fetched(result)
    except Exception as error:
        ended = Fetched(error)
        raise
    finally:
        watch.end(ended, afterwards())
    return result


def _count_requests(steps: Steps[Outcome], watch: FetchWatch, tally: Tally) -> Steps[Outcome]:
    result = None
    try:
        while True:
            effect = steps.send(result)
            result = yield _within(effect, watch)
            if type(effect) is Post:  # Metadata are asked for with a kind of its own.
                answer: TokenAnswer = result
                watch.attempts += 1
                tally.note_status(answer.status_code)
    except StopIteration as stop:
        fetched: Outcome = stop.value
        return fetched
    finally:
        steps.close()


def _fetched(result: Outcome) -> Fetched:
    match result:
        case AccessToken():
            return Fetched(source=result.source, lifetime=result.lifetime)
        case TokenError():
            return Fetched(result)
        case _:
            return Fetched()


def _observe_wait(wait: Wait, tally: Tally, client: str) -> Steps[Outcome]:
    from ..telemetry.wait import WaitWatch

    watch = WaitWatch(tally, client)
    try:
        outcome: Outcome = yield wait
    except BaseException:
        watch.end(wait.flight.span, None, cancelled=True)
        raise
    if outcome is Unanswered.OWN_THREAD:
        watch.drop()
    else:
        watch.end(wait.flight.span, outcome if isinstance(outcome, TokenError) else None, cancelled=False)
    return outcome


def _within(effect: Effect, watch: FetchWatch) -> Effect:
    if isinstance(effect, Post) and watch.span.is_valid:
        return Within(effect, watch.context)
    return effect


def _outcome(acquired: Result, how: str) -> str:
    if isinstance(acquired, TokenError):
        return "held_back" if acquired.held_back else "failed"
    return how
