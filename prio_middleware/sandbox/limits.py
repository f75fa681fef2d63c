"""The API's limits: more than 60 answers 4xx, or more than 1,000 requests, in a minute block a caller for a minute."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

WINDOW = 60.0
"""Seconds that are looked back."""

BLOCK = 60.0
"""Seconds that a block lasts."""

MAX_REFUSALS = 60
MAX_REQUESTS = 1000


@dataclass(slots=True)
class _Caller:
    requests: deque[float] = field(default_factory=deque)
    refusals: deque[float] = field(default_factory=deque)
    blocked_until: float = float("-inf")

    def count(self, moments: deque[float], limit: int, now: float, *, enforced: bool) -> None:
        """Count one more; where that is one too many, block the caller and start anew. A block does not prolong itself."""
        if enforced and now < self.blocked_until:
            return
        moments.append(now)
        if _recent(moments, now) > limit and enforced:
            self.blocked_until = now + BLOCK
            self.requests.clear()
            self.refusals.clear()


class Limits:
    """Counts for each caller over a rolling minute. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, _Caller] = {}

    def admit(self, caller: str, now: float, *, enforced: bool) -> float | None:
        """Count a request. Returns the seconds that the caller stays blocked for, or None where it may come in."""
        with self._lock:
            known = self._callers.setdefault(caller, _Caller())
            known.count(known.requests, MAX_REQUESTS, now, enforced=enforced)
            return known.blocked_until - now if enforced and now < known.blocked_until else None

    def refused(self, caller: str, now: float, *, enforced: bool) -> None:
        """Count an answer 4xx."""
        with self._lock:
            known = self._callers.setdefault(caller, _Caller())
            known.count(known.refusals, MAX_REFUSALS, now, enforced=enforced)

    def refusals(self, now: float) -> int:
        """Answers 4xx of the last minute, those to all callers together."""
        with self._lock:
            return sum(_recent(caller.refusals, now) for caller in self._callers.values())

    def reset(self) -> None:
        """Forget every caller."""
        with self._lock:
            self._callers.clear()


def _recent(moments: deque[float], now: float) -> int:
    while moments and moments[0] <= now - WINDOW:
        moments.popleft()
    return len(moments)
