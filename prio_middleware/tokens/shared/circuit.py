"""Keeps callers away from a store that does not answer. Pure, but for its memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

FIRST_PAUSE = 1.0
"""Seconds for which nobody asks after the first failure."""

AFTER_A_MISS = 1.3
"""Seconds after one failure when somebody may certainly try again, by whatever lot."""

LONGEST_PAUSE = 30.0
"""Seconds that doubling it with every further failure comes to at most."""

PROBE_LIMIT = 2.0
"""Seconds after which a probe that never came back is taken for lost."""

_draw = random.SystemRandom().random  # It has no state that a fork would copy.

State = Literal["closed", "open", "half_open"]


class Circuit:
    """Closed: everybody may ask. One failure opens it for a while; then one caller at a time may try, until one succeeds.

    Pauses are jittered, so that a fleet does not come back in one moment. Each change is one assignment: threads that meet here
    may at worst let one more probe through.

    Args:
        draw: a number from 0 to below 1.
    """

    def __init__(self, draw: Callable[[], float] = _draw) -> None:
        self._draw = draw
        self._failures = 0
        self._closed_again_at = 0.0
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """The last operation succeeded, or there was none."""
        return not self._failures

    def state(self, now: float) -> State:
        """For whoever looks at its health."""
        if self.is_closed:
            return "closed"
        return "half_open" if self._probing or now >= self._closed_again_at else "open"

    def admits(self, now: float) -> bool:
        """Whether the caller may ask now."""
        if self.is_closed:
            return True
        if now < self._closed_again_at:
            return False
        self._closed_again_at, self._probing = now + PROBE_LIMIT, True
        return True

    def succeeded(self) -> None:
        """The store answered."""
        self._failures, self._probing = 0, False

    def failed(self, now: float) -> None:
        """It did not. Of those who asked together, the first to fail opens it, and the others make the pause no longer."""
        if self._failures and not self._probing and now < self._closed_again_at:
            return
        pause = min(FIRST_PAUSE * 2.0 ** min(self._failures, 10), LONGEST_PAUSE)
        self._failures, self._probing = self._failures + 1, False
        self._closed_again_at = now + pause * (0.75 + self._draw() / 2)
