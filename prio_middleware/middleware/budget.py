"""What a minute's budget of one server has left. All clients of a process that talk to that server spend the same one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..origins import Origin
from ..telemetry.rolling_minute import RollingMinute

SHORTEST_WAIT: Final = 1.0
"""Seconds to wait where only requests under way stand in the way, of which nobody knows when they end."""

BUDGETS_LIMIT: Final = 1024
"""How many servers' budgets are kept for guards to come. A guard keeps its own."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be spent in a minute; None: without bound.

    Attributes:
        client_errors: answers 4xx.
        requests: requests.
        in_flight: requests under way count as answered with 4xx, until they are answered.
    """

    client_errors: int | None
    requests: int | None
    in_flight: bool = True


class Usage(NamedTuple):
    """What was spent.

    Attributes:
        client_errors: answers 4xx within the last minute.
        requests: requests within the last minute.
        in_flight: requests under way.
    """

    client_errors: int
    requests: int
    in_flight: int


class Shortage(NamedTuple):
    """Why no more can be spent.

    Attributes:
        message: what is spent.
        retry_after: seconds until there may be room again.
    """

    message: str
    retry_after: float


class Budget:
    """Counts what is sent to one server. Thread-safe; a forked process starts from zero.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = _Minute(clock)

    def spend(self, allowance: Allowance | None) -> Shortage | None:
        """Count one request that is about to be sent; or, if nothing is left of the allowance, say so and count nothing."""
        minute = self._own_minute()
        with minute.lock:
            shortage = minute.shortage(allowance) if allowance else None
            if shortage is None:
                minute.requests.add()
                minute.in_flight += 1
        return shortage

    def settle(self, status: int | None) -> None:
        """The request has its answer; None: it will have none."""
        minute = self._own_minute()
        with minute.lock:
            minute.in_flight = max(0, minute.in_flight - 1)  # A fork in the middle of a request: it was the parent's.
            if status is not None and 400 <= status <= 499:
                minute.client_errors.add()

    def shortage(self, allowance: Allowance) -> Shortage | None:
        """Why nothing could be spent now, if it is so."""
        minute = self._own_minute()
        with minute.lock:
            return minute.shortage(allowance)

    def usage(self) -> Usage:
        """What was spent within the last minute."""
        minute = self._own_minute()
        with minute.lock:
            return minute.usage()

    def _own_minute(self) -> _Minute:
        # A fork copies a lock as it is, held for ever perhaps; and not every server runs Python's hooks after one.
        if self._minute.pid != os.getpid():
            self._minute = _Minute(self._clock)
        return self._minute


class _Counter:
    """A rolling minute that is asked far more often than once a second: in between, its sum is at hand."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minute = RollingMinute(clock)
        self._second, self._count = int(clock()), 0

    def add(self) -> None:
        self._minute.add()
        self._count += 1

    def count(self) -> int:
        second = int(self._clock())
        if second != self._second:
            self._second, self._count = second, self._minute.count()
        return self._count

    def until_below(self, limit: int) -> float:
        return self._minute.until_below(limit)


class _Minute:
    """What one process has spent, under one lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.client_errors = _Counter(clock)
        self.requests = _Counter(clock)
        self.in_flight = 0

    def usage(self) -> Usage:
        return Usage(self.client_errors.count(), self.requests.count(), self.in_flight)

    def shortage(self, allowance: Allowance) -> Shortage | None:
        most, used = allowance.client_errors, self.client_errors.count()
        at_risk = self.in_flight if allowance.in_flight else 0
        if most is not None and used + at_risk >= most:
            under_way = f", and {at_risk} requests are under way that may be answered so" if at_risk else ""
            wait = self.client_errors.until_below(most - at_risk) if at_risk < most else SHORTEST_WAIT
            return Shortage(f"{used} of {most} answers 4xx are spent{under_way}", max(wait, SHORTEST_WAIT))
        most = allowance.requests
        if most is not None and self.requests.count() >= most:
            return Shortage(f"all of {most} requests are spent", max(self.requests.until_below(most), SHORTEST_WAIT))
        return None


_budgets: dict[Origin, Budget] = {}


def budget_of(origin: Origin) -> Budget:
    """The budget of the server at ``origin``: one in a process."""
    known = _budgets.get(origin)
    if known is None:
        if len(_budgets) >= BUDGETS_LIMIT:
            _budgets.pop(next(iter(_budgets)), None)
        known = _budgets.setdefault(origin, Budget())
    return known


def forget() -> None:
    """Keep no budget for guards to come: each test starts afresh."""
    _budgets.clear()
