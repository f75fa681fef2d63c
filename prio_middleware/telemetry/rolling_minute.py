"""How often something happened within the last minute: memory and time do not grow with how often."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60
"""Seconds for which an event counts."""

# An event at the end of its second still counts a minute later: so a bucket more than there are seconds.
_BUCKETS = MINUTE + 1


class RollingMinute:
    """Counts events in buckets of one second. What it says is exact to a second, and never too low.

    Adding takes no lock, which a fork could leave locked: between the look at the clock and the last step no other thread gets
    its turn, as long as there is a global interpreter lock.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = [-_BUCKETS] * _BUCKETS
        self._counts = [0] * _BUCKETS

    def add(self, events: int = 1) -> None:
        """So many happened now."""
        second = int(self._clock())
        slot = second % _BUCKETS
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += events

    def count(self) -> int:
        """How many happened within the last minute."""
        return sum(events for _, events in self._recent(self._clock()))

    def until_below(self, limit: int) -> float:
        """Seconds until fewer than ``limit`` will have happened within a minute, if nothing more does; 0: it is so now."""
        now = self._clock()
        recent = sorted(self._recent(now))
        left = sum(events for _, events in recent)
        wait = 0.0
        for second, events in recent:
            if left < limit:
                break
            left -= events
            wait = second + _BUCKETS - now
        return wait

    def clear(self) -> None:
        """Nothing happened yet."""
        self._seconds[:] = [-_BUCKETS] * _BUCKETS

    def _recent(self, now: float) -> list[tuple[int, int]]:
        """The seconds in which something that still counts happened, and how often it did."""
        oldest = int(now) - MINUTE
        pairs = zip(self._seconds, self._counts, strict=True)
        return [(second, events) for second, events in pairs if second >= oldest and events]
