"""Budget guard: keeps this process below the rate limits of a server, and counts its requests and 4xx responses."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from typing import Final, NamedTuple

from .._util.clock import Clock, current_clock
from .._util.origins import Origin, parse_origin, raw_origins, same_origin, with_websockets
from ..errors import BudgetExceededError, ConfigurationError
from ..pipeline.exchange import Exchange
from ..pipeline.protocols import RequestLike
from ..telemetry.counters import RollingMinute

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


class BudgetGuard:
    """Component that counts requests to ``origin`` and their 4xx responses within the last minute.

    It counts every request that is sent: retries, each hop of a redirect, requests with the caller's own token, and token
    requests. All guards of one origin in a process share one count.

    With ``enforce``, a request that might exceed a limit is blocked. Requests in flight count as if they got a 4xx response,
    because they cannot be recalled. Token requests are counted and never blocked.

    A server counts by IP address, which several processes may use: this process may use up its ``share`` of the limits.

    Args:
        origin: a URL of the server. Its scheme, host and port are compared. WebSockets to it count as requests.
        client_errors: 4xx responses that the server allows per minute; None if it does not limit them.
        requests: requests that it allows per minute; None if it does not limit them.
        share: the part of both limits for this process: more than 0, at most 1.
        enforce: block requests; otherwise they are only counted.
        in_flight: count requests in flight as 4xx responses; otherwise they may exceed the limit by their number.
        client: the configured name of the client, for errors.
        budget: the count; default: the one of this process for that origin.

    Raises:
        ConfigurationError: ``origin`` is not a URL of an HTTP server; a share of a limit is less than one; or ``enforce`` is
            set without a limit.
    """

    def __init__(
        self,
        origin: str,
        *,
        client_errors: int | None = None,
        requests: int | None = None,
        share: float = WHOLE_BUDGET,
        enforce: bool = False,
        in_flight: bool = True,
        client: str = "default",
        budget: Budget | None = None,
    ) -> None:
        parsed = parse_origin(origin)
        del origin  # It may hold a password, which tracebacks must not show.
        if isinstance(parsed, ConfigurationError):
            raise parsed
        self.allowance = Allowance(
            _part(client_errors, share, "client_errors"), _part(requests, share, "requests"), in_flight=in_flight
        )
        if enforce and self.allowance.client_errors is None and self.allowance.requests is None:
            raise ConfigurationError(
                "The budget guard has no limit to enforce.",
                remedy="Set client_errors, requests or both to the limits of the server per minute.",
            )
        self.client = client
        self.enforce = enforce
        self.budget = budget or budget_of(with_websockets(parsed)[0])
        self._origins = raw_origins([parsed])
        self._enforced = self.allowance if enforce else None

    @property
    def usage(self) -> Usage:
        """Requests and 4xx responses of this process within the last minute."""
        return self.budget.usage()

    def on_request(self, exchange: Exchange) -> None:
        """Block a call that would exceed the limit, before a token is fetched.

        Raises:
            BudgetExceededError: the limit is reached.
        """
        if self._enforced and same_origin(exchange.request.url, self._origins):
            shortage = self.budget.shortage(self._enforced)
            if shortage:
                raise self._error(shortage, exchange.request)

    def before_send(self, request: RequestLike, *, for_token: bool) -> None:
        """Count a request before it is sent.

        Raises:
            BudgetExceededError: other calls reached the limit in the meantime.
        """
        if same_origin(request.url, self._origins):
            shortage = self.budget.spend(None if for_token else self._enforced)
            if shortage:
                raise self._error(shortage, request)

    def after_send(self, request: RequestLike, status: int | None) -> None:
        """Count the end of a request."""
        if same_origin(request.url, self._origins):
            self.budget.settle(status)

    def _error(self, shortage: Shortage, request: RequestLike) -> BudgetExceededError:
        message = f"Blocked: of the limit of this process per minute, {shortage.message}."
        return BudgetExceededError(message, client=self.client, url=request.url, retry_after=shortage.retry_after)


def _part(limit: int | None, share: float, name: str) -> int | None:
    if not 0 < share <= 1:
        raise ConfigurationError(f"share is {share!r}; expected more than 0 and at most 1.")
    if limit is None:
        return None
    part = part_of(limit, share)
    if part < 1:
        raise ConfigurationError(
            f"A share of {share} of {limit} {name} per minute is less than one.",
            remedy="Increase the share: each process may have 1 divided by the number of processes.",
        )
    return part
