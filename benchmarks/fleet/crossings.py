"""Requests on the wire, and figures derived from them, without I/O."""

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
        """Duration in seconds."""
        return self.ended - self.began


class Work(NamedTuple):
    """Work of one process: its calls as their callers saw them, and every request sent."""

    calls: list[Crossing]
    sent: list[Crossing]


def outcomes(crossings: Iterable[Crossing]) -> Counter[str]:
    """Count of calls by outcome."""
    return Counter(crossing.outcome for crossing in crossings)


def percentile(crossings: Iterable[Crossing], part: float) -> float:
    """The seconds within which that part of them was answered; 0 if there are none."""
    taken = sorted(crossing.seconds for crossing in crossings)
    return taken[min(int(len(taken) * part), len(taken) - 1)] if taken else 0.0


def recovery(sent: Sequence[Crossing]) -> float | None:
    """Return the seconds from the first rejection of a process to the next response. Return None without a rejection."""
    rejected_at = min((each.ended for each in sent if each.outcome == "403"), default=None)
    if rejected_at is None:
        return None
    answered = [each.ended for each in sent if each.outcome == "200" and each.began >= rejected_at and not each.for_token]
    return min(answered) - rejected_at if answered else float("inf")


def behind(sent: Sequence[Crossing], token_at: float) -> float | None:
    """The same, but from the moment at which the new token was there for all, if that is later."""
    rejected_at = min((each.ended for each in sent if each.outcome == "403"), default=None)
    taken = recovery(sent)
    if rejected_at is None or taken is None:
        return None
    return rejected_at + taken - max(rejected_at, token_at)
