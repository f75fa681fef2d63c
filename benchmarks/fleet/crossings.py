"""What went over the wire, and what can be told from it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Crossing(NamedTuple):
    """One request and its answer.

    Attributes:
        began: when, in seconds of the machine's monotonic clock.
        ended: when the answer was there.
        outcome: its status, or what went wrong.
        for_token: it went to the token endpoint.
    """

    began: float
    ended: float
    outcome: str
    for_token: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Work(NamedTuple):
    """What one process did: the calls as their callers saw them, and all that was sent."""

    calls: list[Crossing]
    sent: list[Crossing]


def outcomes(crossings: Iterable[Crossing]) -> Counter[str]:
    """How many ended in which way."""
    return Counter(crossing.outcome for crossing in crossings)


def percentile(crossings: Iterable[Crossing], part: float) -> float:
    """The seconds within which that part of them was answered; 0 if there are none."""
    taken = sorted(crossing.seconds for crossing in crossings)
    return taken[min(int(len(taken) * part), len(taken) - 1)] if taken else 0.0


def recovery(sent: Sequence[Crossing]) -> float | None:
    """Seconds from a process's first refusal to the answer of the first request that it sent then; None: it saw no refusal."""
    refused_at = min((each.ended for each in sent if each.outcome == "403"), default=None)
    if refused_at is None:
        return None
    answered = [each.ended for each in sent if each.outcome == "200" and each.began >= refused_at and not each.for_token]
    return min(answered) - refused_at if answered else float("inf")


def behind(sent: Sequence[Crossing], token_at: float) -> float | None:
    """The same, but from the moment at which the new token was there for all, if that is later."""
    refused_at = min((each.ended for each in sent if each.outcome == "403"), default=None)
    taken = recovery(sent)
    if refused_at is None or taken is None:
        return None
    return refused_at + taken - max(refused_at, token_at)
