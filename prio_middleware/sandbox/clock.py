"""Time in the sandbox: a clock that can be moved on, and waits that can be cut short."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

_SLICE = 0.1


class Clock:
    """The monotonic clock, and what it was moved on by. Seconds."""

    def __init__(self, base: Callable[[], float] = time.monotonic) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move on: tokens and reservations grow older, and limits forget."""
        self._ahead += seconds


class Pauses:
    """Waits that any thread can end, whatever event loop they are made in."""

    def __init__(self) -> None:
        self._released = 0
        self._closed = False

    def release(self) -> None:
        """End every wait that is going on."""
        self._released += 1

    def close(self) -> None:
        """End every wait that is going on, and all later ones."""
        self._closed = True

    async def sleep(self, seconds: float) -> None:
        """Wait. In slices: an event of one event loop cannot be set from a thread without one."""
        released, until = self._released, anyio.current_time() + seconds
        while self._released == released and not self._closed:
            left = until - anyio.current_time()
            if left <= 0:
                return
            await anyio.sleep(min(left, _SLICE))
