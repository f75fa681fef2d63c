"""Counts of a day, and figures derived from them."""

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
    """A moment at which every token so far dies.

    Attributes:
        at: when, in seconds of the day.
        last: when the last process was rid of its dead token.
        slowest: seconds from a rejection to a new token, at most.
        refusals: answers 4xx that it cost.
    """

    at: float
    last: float = 0.0
    slowest: float = 0.0
    refusals: int = 0

    @property
    def recovered(self) -> float:
        """Seconds until no process held a dead token."""
        return max(0.0, self.last - self.at)


@dataclass(slots=True)
class Ledger:
    """Everything that happened, by the second."""

    token_requests: dict[Cause, Counter[int]] = field(default_factory=lambda: {cause: Counter() for cause in CAUSES})
    refusals: Counter[int] = field(default_factory=Counter)
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
        refusals: answers 4xx to calls.
        worst_minute: the most of them within one minute of the clock.
        revocations: each one.
        store_worst: the most operations of the store within one second.
        longest_wait: seconds that a caller waited for a token, at most.
        failed: callers without a token, or with a rejected retry.
        expired: calls with an expired token.
    """

    hours: list[int]
    worst: Mapping[Cause, int]
    refusals: int
    worst_minute: int
    revocations: list[Revocation]
    store_worst: int
    longest_wait: float
    failed: int
    expired: int

    @property
    def token_requests(self) -> int:
        """Of the whole day."""
        return sum(self.hours)


def summarise(ledger: Ledger, hours: int) -> Summary:
    """The sums and the worst moments of ``ledger``."""
    by_hour = rebinned(ledger.token_requests.values(), HOUR)
    return Summary(
        hours=[by_hour[hour] for hour in range(hours)],
        worst={cause: worst(seconds) for cause, seconds in ledger.token_requests.items()},
        refusals=ledger.refusals.total(),
        worst_minute=worst(rebinned([ledger.refusals], MINUTE)),
        revocations=ledger.revocations,
        store_worst=worst(ledger.store_operations),
        longest_wait=ledger.longest_wait,
        failed=ledger.failed,
        expired=ledger.expired,
    )


def rebinned(counts: Iterable[Mapping[int, int]], size: int) -> Counter[int]:
    """Counts by the second, summed over a number of seconds."""
    bins: Counter[int] = Counter()
    for each in counts:
        for second, count in each.items():
            bins[second // size] += count
    return bins


def worst(counts: Mapping[int, int]) -> int:
    """The most of all."""
    return max(counts.values(), default=0)
