"""Circuit breaker: keeps callers away from a store that does not answer. It does no I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

FIRST_PAUSE = 1.0  # Seconds without an operation after the first failure.
LONGEST_PAUSE = 30.0  # Seconds. Each further failure doubles the pause up to it.
PROBE_LIMIT = 2.0  # Seconds after which a probe without an answer counts as lost.
BACKGROUND_PAUSE = 10.0  # Seconds between two background probes.

random_number = random.SystemRandom().random  # It has no state that a fork would copy.

State = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Circuit breaker: a failure opens it for a pause; then it allows one probe at a time, until one succeeds and closes it.

    Pauses are jittered, so that a fleet does not return at the same moment. Each change is one assignment: concurrent threads
    let at worst one more probe through.

    Args:
        draw: returns a random number from 0 to below 1.
    """

    def __init__(self, draw: Callable[[], float] = random_number) -> None:
        self._draw = draw
        self.failures = 0  # Failed operations since the circuit opened; 0 while it is closed. Concurrent ones count once.
        self._next_probe_at = 0.0
        self._probing = False
        self._next_background_probe_at = 0.0

    def state(self, now: float) -> State:
        if not self.failures:
            return "closed"
        return "half_open" if self._probing or now >= self._next_probe_at else "open"

    def try_acquire(self, now: float) -> bool:
        """Return True if the caller may use the store now. While the circuit is not closed, the caller becomes the probe."""
        if not self.failures:
            return True
        if now < self._next_probe_at:
            return False
        self._next_probe_at, self._probing = now + PROBE_LIMIT, True
        return True

    def try_acquire_background(self, now: float) -> bool:
        """Return True if a probe may start in the background: once in 10 s at most, while the circuit is not closed."""
        if not self.failures or now < self._next_background_probe_at:
            return False
        self._next_background_probe_at = now + BACKGROUND_PAUSE
        return True

    def record_success(self) -> None:
        """Close the circuit: the store answered."""
        self.failures, self._probing = 0, False

    def record_failure(self, now: float) -> None:
        """Open the circuit. Concurrent failures extend the pause once."""
        if self.failures and not self._probing and now < self._next_probe_at:
            return
        if not self.failures:
            self._next_background_probe_at = now + BACKGROUND_PAUSE
        pause = min(FIRST_PAUSE * 2.0 ** min(self.failures, 10), LONGEST_PAUSE)
        self.failures, self._probing = self.failures + 1, False
        self._next_probe_at = now + pause * (0.75 + self._draw() / 2)
