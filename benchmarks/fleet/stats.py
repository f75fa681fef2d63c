"""Counts of a simulated day, and figures derived from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

HOUR = 3600
MINUTE = 60

Cause = Literal["start", "due", "revoked"]
"""Reason for a token request: the process just started, its token is due, or its token was revoked."""

CAUSES: tuple[Cause, ...] = ("start", "due", "revoked")


@dataclass(slots=True)
class Revocation:
    """Revocation of every token granted so far.

    Attributes:
        at: time of the revocation, in seconds of the day.
        last: time at which the last process dropped its revoked token.
        slowest: most seconds from a rejection to a new token.
        rejections: 4xx responses after it.
    """

    at: float
    last: float = 0.0
    slowest: float = 0.0
    rejections: int = 0

    @property
    def recovered(self) -> float:
        """Seconds until no process held a revoked token."""
        return max(0.0, self.last - self.at)


@dataclass(slots=True)
class Stats:
    """Counts by second."""

    token_requests: dict[Cause, Counter[int]] = field(default_factory=lambda: {cause: Counter() for cause in CAUSES})
    rejections: Counter[int] = field(default_factory=Counter)
    store_operations: Counter[int] = field(default_factory=Counter)
    revocations: list[Revocation] = field(default_factory=list)
    longest_wait: float = 0.0
    failed: int = 0
    """Callers without a token, or with a rejected retry."""
    expired: int = 0
    """Calls with a token that had expired."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a day.

    Attributes:
        hours: token requests of each hour.
        worst: the most token requests within one second, by their cause.
        rejections: 4xx responses to calls.
        worst_minute: the most 4xx responses within one minute of the clock.
        revocations: the revocations of the day.
        store_worst: the most store operations within one second.
        longest_wait: most seconds that a caller waited for a token.
        failed: callers without a token, or with a rejected retry.
        expired: calls with an expired token.
    """

    hours: list[int]
    worst: Mapping[Cause, int]
    rejections: int
    worst_minute: int
    revocations: list[Revocation]
    store_worst: int
    longest_wait: float
    failed: int
    expired: int

    @property
    def token_requests(self) -> int:
        """Token requests of the whole day."""
        return sum(self.hours)


def summarise(stats: Stats, hours: int) -> Summary:
    """Return the sums and maxima of ``stats``."""
    by_hour = rebinned(stats.token_requests.values(), HOUR)
    return Summary(
        hours=[by_hour[hour] for hour in range(hours)],
        worst={cause: worst(seconds) for cause, seconds in stats.token_requests.items()},
        rejections=stats.rejections.total(),
        worst_minute=worst(rebinned([stats.rejections], MINUTE)),
        revocations=stats.revocations,
        store_worst=worst(stats.store_operations),
        longest_wait=stats.longest_wait,
        failed=stats.failed,
        expired=stats.expired,
    )


def rebinned(counts: Iterable[Mapping[int, int]], size: int) -> Counter[int]:
    """Sum counts by second over periods of ``size`` seconds."""
    bins: Counter[int] = Counter()
    for each in counts:
        for second, count in each.items():
            bins[second // size] += count
    return bins


def worst(counts: Mapping[int, int]) -> int:
    """Return the largest count, or 0."""
    return max(counts.values(), default=0)
