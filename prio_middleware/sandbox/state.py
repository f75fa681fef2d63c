"""State of a sandbox: its clock, its limits, and all that a reset restores."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from .authentication import Assertions, Tokens
from .booking import Bookings
from .counts import Counters
from .faults import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS, FaultPlan
from .sandbox_options import Account, SandboxOptions
from .wire import Pauses


class Clock:
    """Monotonic clock in seconds, with an adjustable offset."""

    def __init__(self, base: Callable[[], float] = time.monotonic) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        """Add ``seconds`` to the offset."""
        self._ahead += seconds


WINDOW = 60.0  # Length of the rolling window, in seconds.
BLOCK = 60.0  # Duration of a block, in seconds.

MAX_CLIENT_ERRORS, MAX_REQUESTS = 60, 1000


@dataclass(slots=True)
class _Caller:
    requests: deque[float] = field(default_factory=deque)
    client_errors: deque[float] = field(default_factory=deque)
    blocked_until: float = float("-inf")

    def count(self, moments: deque[float], limit: int, now: float, *, enforced: bool) -> None:
        """Count one event. Block the caller and clear its counts if it exceeds ``limit``. A block does not extend itself."""
        if enforced and now < self.blocked_until:
            return
        moments.append(now)
        if _recent(moments, now) > limit and enforced:
            self.blocked_until = now + BLOCK
            self.requests.clear()
            self.client_errors.clear()


class Limits:
    """Counts of each caller over a rolling minute. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, _Caller] = {}

    def admit(self, caller: str, now: float, *, enforced: bool) -> float | None:
        """Count a request. Return the seconds for which the caller is still blocked, or None if it is not."""
        with self._lock:
            known = self._callers.setdefault(caller, _Caller())
            known.count(known.requests, MAX_REQUESTS, now, enforced=enforced)
            return known.blocked_until - now if enforced and now < known.blocked_until else None

    def count_client_error(self, caller: str, now: float, *, enforced: bool) -> None:
        """Count a response 4xx."""
        with self._lock:
            known = self._callers.setdefault(caller, _Caller())
            known.count(known.client_errors, MAX_CLIENT_ERRORS, now, enforced=enforced)

    def client_errors(self, now: float) -> int:
        """Return the number of responses 4xx to all callers in the last minute."""
        with self._lock:
            return sum(_recent(caller.client_errors, now) for caller in self._callers.values())

    def reset(self) -> None:
        """Forget every caller."""
        with self._lock:
            self._callers.clear()


def _recent(moments: deque[float], now: float) -> int:
    while moments and moments[0] <= now - WINDOW:
        moments.popleft()
    return len(moments)


class State:
    """The sandbox's state.

    Attributes:
        options: the current behaviour; replaced as a whole.
        accounts: accounts by client id; replaced as a whole.
        admin_key: the header value that opens the admin interface over HTTP.
    """

    def __init__(self, options: SandboxOptions, clock: Clock) -> None:
        self._initial = options
        self.options = options
        self.accounts = _by_id(options)
        self.clock = clock
        self.pauses = Pauses()
        self.tokens = Tokens()
        self.assertions = Assertions()
        self.limits = Limits()
        self.counters = Counters()
        self.token_faults = FaultPlan(TOKEN_FAULTS)
        self.metadata_faults = FaultPlan(METADATA_FAULTS)
        self.api_faults = FaultPlan(API_FAULTS)
        self.bookings = Bookings()
        self.admin_key = secrets.token_urlsafe(24)

    def reset(self) -> None:
        """Restore the state of the start, except for the clock."""
        self.options = self._initial
        self.accounts = _by_id(self._initial)
        self.clear_faults()
        self.tokens.reset()
        self.bookings.reset()
        self.limits.reset()
        self.counters.reset()
        self.pauses.release()

    def clear_faults(self) -> None:
        """Drop the faults that have not occurred yet."""
        for plan in (self.token_faults, self.metadata_faults, self.api_faults):
            plan.clear()


def state_of(request: Request) -> State:
    """Return the state of the sandbox that serves ``request``."""
    state: State = request.app.sandbox_state
    return state


def _by_id(options: SandboxOptions) -> dict[str, Account]:
    return {account.client_id: account for account in options.accounts}
