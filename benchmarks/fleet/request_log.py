"""Logged requests, and figures derived from them, without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class LoggedRequest(NamedTuple):
    """One request and its outcome.

    Attributes:
        began: start, in seconds of the machine's monotonic clock.
        ended: arrival of the response, on the same clock.
        outcome: the status, or the error.
        for_token: True for a request to the token endpoint.
    """

    began: float
    ended: float
    outcome: str
    for_token: bool = False

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.ended - self.began


class WorkerLog(NamedTuple):
    """Requests of one worker process: its calls as their callers saw them, and every request that it sent."""

    calls: list[LoggedRequest]
    sent: list[LoggedRequest]


def outcomes(requests: Iterable[LoggedRequest]) -> Counter[str]:
    """Count requests by outcome."""
    return Counter(request.outcome for request in requests)


def percentile(requests: Iterable[LoggedRequest], part: float) -> float:
    """Return the seconds within which that part of the requests ended; 0 without requests."""
    durations = sorted(request.seconds for request in requests)
    return durations[min(int(len(durations) * part), len(durations) - 1)] if durations else 0.0


def recovery_seconds(sent: Sequence[LoggedRequest]) -> float | None:
    """Return the seconds from a worker's first rejection to its next response. Return None without a rejection."""
    rejected_at = _first_rejection(sent)
    if rejected_at is None:
        return None
    ends = [each.ended for each in sent if each.outcome == "200" and each.began >= rejected_at and not each.for_token]
    return min(ends) - rejected_at if ends else float("inf")


def delay_after_token(sent: Sequence[LoggedRequest], token_at: float) -> float | None:
    """Return the same from ``token_at``, the arrival of the new token, if that is later than the rejection."""
    rejected_at, seconds = _first_rejection(sent), recovery_seconds(sent)
    if rejected_at is None or seconds is None:
        return None
    return rejected_at + seconds - max(rejected_at, token_at)


def _first_rejection(sent: Sequence[LoggedRequest]) -> float | None:
    return min((each.ended for each in sent if each.outcome == "403"), default=None)
