"""Budget of requests and 4xx responses that a process may use at one server within a minute."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..._util.clock import Clock, current_clock
from ..._util.origins import Origin
from ...telemetry.counters import RollingMinute

SHORTEST_WAIT: Final = 1.0  # Minimum of ``retry_after`` in seconds. The end of requests in flight is unknown.
WHOLE_BUDGET: Final = 1.0  # Default share of one process in a server's limits, also of the setting ``budget_guard.share``.
BUDGETS_LIMIT: Final = 1024  # Maximum servers whose budgets are kept for later guards. Each guard keeps its own.


@dataclass(frozen=True, slots=True)
class Allowance:
    """Limits per minute. None means unlimited.

    Attributes:
        client_errors: 4xx responses.
        requests: requests.
        in_flight: count requests in flight as 4xx responses.
    """

    client_errors: int | None
    requests: int | None
    in_flight: bool = True


class Usage(NamedTuple):
    """4xx responses and requests within the last minute, and requests without a response yet."""

    client_errors: int
    requests: int
    in_flight: int


class Shortage(NamedTuple):
    """The limit that is used up, and the seconds until a request may fit again."""

    message: str
    retry_after: float


class Budget:
    """Count of requests to one server and their 4xx responses. Thread-safe; a forked process starts at zero."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or current_clock()
        self._minute = _Minute(self._clock)

    def spend(self, allowance: Allowance | None) -> Shortage | None:
        """Count one request before it is sent, or return the shortage if the request would exceed ``allowance``."""
        minute = self._own_minute()
        with minute.lock:
            shortage = minute.shortage(allowance) if allowance else None
            if shortage is None:
                minute.requests.add()
                minute.in_flight += 1
        return shortage

    def settle(self, status: int | None) -> None:
        """Count the end of a request. ``status`` is None if there was no response."""
        minute = self._own_minute()
        with minute.lock:
            minute.in_flight = max(0, minute.in_flight - 1)  # After a fork, the request was the parent's.
            if status is not None and 400 <= status <= 499:
                minute.client_errors.add()

    def shortage(self, allowance: Allowance) -> Shortage | None:
        """Return the shortage if a request would exceed ``allowance`` now."""
        minute = self._own_minute()
        with minute.lock:
            return minute.shortage(allowance)

    def usage(self) -> Usage:
        """Return the use within the last minute."""
        minute = self._own_minute()
        with minute.lock:
            return Usage(minute.client_errors.count(), minute.requests.count(), minute.in_flight)

    def _own_minute(self) -> _Minute:
        # A fork may copy a held lock, and not every server runs Python's fork hooks.
        if self._minute.pid != os.getpid():
            self._minute = _Minute(self._clock)
        return self._minute


class _CachedMinute(RollingMinute):
    """Rolling minute that computes its count once in each second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._second, self._count = int(clock()), 0

    def add(self, events: int = 1) -> None:
        super().add(events)
        self._count += events

    def count(self) -> int:
        second = int(self._clock())
        if second != self._second:
            self._second, self._count = second, super().count()
        return self._count


class _Minute:
    """Counts of one process, under one lock. Their caller holds the lock."""

    def __init__(self, clock: Clock) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.client_errors = _CachedMinute(clock)
        self.requests = _CachedMinute(clock)
        self.in_flight = 0

    def shortage(self, allowance: Allowance) -> Shortage | None:
        most, used = allowance.client_errors, self.client_errors.count()
        at_risk = self.in_flight if allowance.in_flight else 0
        if most is not None and used + at_risk >= most:
            in_flight = f", and {at_risk} requests in flight may get a 4xx response" if at_risk else ""
            wait = self.client_errors.until_below(most - at_risk) if at_risk < most else SHORTEST_WAIT
            return Shortage(f"{used} of {most} 4xx responses are used{in_flight}", max(wait, SHORTEST_WAIT))
        most = allowance.requests
        if most is not None and self.requests.count() >= most:
            return Shortage(f"all of {most} requests are used", max(self.requests.until_below(most), SHORTEST_WAIT))
        return None


_budgets: dict[Origin, Budget] = {}


def budget_of(origin: Origin) -> Budget:
    """Return the budget of the server at ``origin``, one per process."""
    known = _budgets.get(origin)
    if known is None:
        if len(_budgets) >= BUDGETS_LIMIT:
            _budgets.pop(next(iter(_budgets)), None)
        known = _budgets.setdefault(origin, Budget())
    return known


def forget() -> None:
    """Drop the kept budgets, for tests."""
    _budgets.clear()


def part_of(limit: int, share: float) -> int:
    """Return ``share`` of ``limit``, rounded down."""
    return math.floor(limit * share + 1e-9)  # 1,000 times 0.29 is a little less than 290.
