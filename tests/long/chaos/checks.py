"""Rules for every history, each a pure function that yields its violations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator

from prio_middleware.middleware.revocation.renewal_limiter import LIMIT
from tests.long.chaos.history import Arrival, Call, History, Span

RETRIED = (400, 401, 403)
"""Refusals that may be about the token (see ``prio-api``'s statuses): those that a retry may follow."""

SLACK = 0.1
"""Seconds by which a caller may be late to record its result."""


def ended_in_time(history: History) -> Iterator[str]:
    """Every call ended within its deadline."""
    for call in history.calls:
        if call.ended - call.began > history.limit:
            yield f"{call} took more than {history.limit:g} s"


def ended_well(history: History) -> Iterator[str]:
    """Every call ended in a response or in an error of the tree, unless its caller gave up."""
    for call in history.calls:
        if call.how == "stray":
            yield f"{call} ended in an error that is none of the tree"


def answered_in_earnest(history: History) -> Iterator[str]:
    """A call that had its answer was sent, and answered so by the server."""
    sent = history.sent()
    for call in history.calls:
        if call.how == "response" and call.status not in [arrival.status for arrival in sent[call.name]]:
            yield f"{call} has an answer that the server did not give"


def failed_for_a_reason(history: History) -> Iterator[str]:
    """No call failed without an outage, except one whose deadline the client's clock passed in a leap."""
    for call in history.calls:
        if call.how == "error" and not (history.outage_for(call) or history.deadline_leapt_over(call)):
            yield f"{call} failed although a token was available"


def refused_for_a_reason(history: History) -> Iterator[str]:
    """No call was rejected for its token while another one was available.

    Exceptions: a second token that died too, a deadline that the client's clock passed in a leap, and credentials
    with as many renewals that have not helped as the limit allows.
    """
    sent = history.sent()
    renewals = _renewals(history)
    for call in history.calls:
        tries = sent[call.name]
        excused = _second_died_too(history, call, tries) or _second_came_too_late(history, call, tries)
        excused = excused or sum(span.overlaps(call.began, call.ended) for span in renewals[call.account]) >= LIMIT
        if call.is_refused and not history.outage_for(call) and not excused:
            yield f"{call} was refused in {len(tries)} tries although a token could be had"


def failed_without_a_token(history: History) -> Iterator[str]:
    """No call failed while its provider had a token that worked before and after it."""
    lives = _lives(history)
    for call in history.calls:
        if call.how == "error":
            for (provider, token), (first, last) in lives.items():
                if provider == call.provider and first < call.began and last > call.ended + SLACK:
                    yield f"{call} failed although token {token} worked before and after it"


def sent_with_a_token(history: History) -> Iterator[str]:
    """No call was sent without a token."""
    for arrival in history.arrivals:
        if arrival.token is None:
            yield f"{arrival.call} was sent without a token"


def sent_as_its_account(history: History) -> Iterator[str]:
    """No call was sent with the token of another account."""
    calls = {call.name: call for call in history.calls}
    for arrival in history.arrivals:
        call = calls.get(arrival.call)
        if call and arrival.token is not None and arrival.account != call.account:
            yield f"{call} named {call.account or 'no account'}, and was sent as {arrival.account or 'the client itself'}"


def sent_twice_for_a_reason(history: History) -> Iterator[str]:
    """Check that a call was sent again only once, after a rejection, and with another token."""
    for name, arrivals in history.sent().items():
        if len(arrivals) > 1 and not _is_retry(arrivals):
            tries = ", ".join(f"token {arrival.token}: {arrival.status}" for arrival in arrivals)
            yield f"{name} was sent {len(arrivals)} times ({tries})"


def known_calls_only(history: History) -> Iterator[str]:
    """Every request that arrived was sent by a call."""
    known = {call.name for call in history.calls}
    for arrival in history.arrivals:
        if arrival.call not in known:
            yield f"{arrival.call or 'a call without a name'} arrived, but no call sent it"


def left_nothing(history: History) -> Iterator[str]:
    """No connection, task, thread or descriptor is left."""
    yield from history.left


RULES: dict[str, Callable[[History], Iterator[str]]] = {
    "every call ended within its deadline": ended_in_time,
    "every call ended in a response or an error of the tree": ended_well,
    "every answer is the server's": answered_in_earnest,
    "none failed while a token could be had": failed_for_a_reason,
    "none failed while a token was at hand": failed_without_a_token,
    "none was refused while a token could be had": refused_for_a_reason,
    "none was sent without a token": sent_with_a_token,
    "none was sent as another account": sent_as_its_account,
    "none was sent twice but to re-authenticate": sent_twice_for_a_reason,
    "nothing arrived that nobody sent": known_calls_only,
    "no connection, task, thread or descriptor is left": left_nothing,
}


def violations(history: History) -> dict[str, list[str]]:
    """Return the violations of each rule."""
    return {rule: list(check(history)) for rule, check in RULES.items()}


def _is_retry(arrivals: list[Arrival]) -> bool:
    if len(arrivals) != 2:
        return False
    first, second = arrivals
    return first.status in RETRIED and first.token != second.token


def _second_died_too(history: History, call: Call, tries: list[Arrival]) -> bool:
    return len(tries) > 1 and (history.death_within(call) or history.died_unnoticed(call, tries[-1].token))


def _second_came_too_late(history: History, call: Call, tries: list[Arrival]) -> bool:
    return len(tries) == 1 and "NewTokenUnavailableError" in call.said and history.deadline_leapt_over(call)


def _renewals(history: History) -> defaultdict[str, list[Span]]:
    """Return the times during which a renewal of a token had not helped a call yet, by account.

    Each provider renews a token once. A renewal does not help if its caller gave up, or there was no new token.
    """
    found: defaultdict[str, dict[tuple[str, int | None], Span]] = defaultdict(dict)
    sent = history.sent()
    for call in history.calls:
        tries = sent[call.name]
        is_renewed = len(tries) > 1 or call.said or call.how == "cancelled"
        if is_renewed and tries and tries[0].status in RETRIED:
            key = call.provider, tries[0].token
            helped_at = call.ended if call.status == 200 else math.inf
            known = found[call.account].get(key, Span("renewal", call.began, helped_at))
            found[call.account][key] = Span("renewal", min(known.began, call.began), min(known.ended, helped_at))
    return defaultdict(list, {account: list(spans.values()) for account, spans in found.items()})


def _lives(history: History) -> dict[tuple[str, int | None], tuple[float, float]]:
    """Of each token, the end of the first call that it worked for, and the beginning of the last: it was at hand between.

    By provider: what one has, another need not have, where they share a store that may be down.
    """
    calls = {call.name: call for call in history.calls}
    used: defaultdict[tuple[str, int | None], list[Call]] = defaultdict(list)
    for arrival in history.arrivals:
        if arrival.status == 200 and arrival.call in calls:
            call = calls[arrival.call]
            used[call.provider, arrival.token].append(call)
    return {token: (min(call.ended for call in by), max(call.began for call in by)) for token, by in used.items()}
