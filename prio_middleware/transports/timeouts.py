"""The timeouts of a token request, which has one deadline for all its steps."""

from __future__ import annotations

import time
from typing import Any

STEPS = ("connect", "read", "write", "pool")
"""What HTTP libraries have a timeout for, each of its own."""

LEAST = 0.001
"""Seconds; a socket takes 0 for "do not wait at all", which fails in another way than a wait that was in vain."""


class Timeouts(dict[str, float]):
    """What stands in a request's ``extensions["timeout"]``. The library asks it anew at the beginning of each step.

    A pool that is full, a handshake that drags on and an answer that stays away are three waits with three timeouts. Here each
    may take what the ones before it have left over, so that together they end at the deadline.

    Args:
        each: seconds that a step may take at most.
        until: the moment of ``time.monotonic()`` at which all of them are to be over.
    """

    def __init__(self, each: float, until: float) -> None:
        super().__init__(dict.fromkeys(STEPS, each))
        self._until = until

    def get(self, step: str, default: Any = None, /) -> Any:
        """Seconds that ``step`` may take if it begins now."""
        if step not in self:
            return default
        return max(LEAST, min(self[step], self._until - time.monotonic()))
