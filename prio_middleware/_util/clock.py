"""Clock of the package: ``time.monotonic()``, unless a test replaces it.

Components read the clock function when they are created, so a call costs no more than ``time.monotonic()`` itself. Objects that
exist once per process call :func:`now`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

Clock = Callable[[], float]  # Function that returns the seconds of a monotonic clock.

_clocks: list[Clock] = [time.monotonic]  # Stack of clocks. The last one is in use.


def current_clock() -> Clock:
    """Return the default clock for a new component."""
    return _clocks[-1]


def monotonic() -> float:
    """Return the seconds of ``time.monotonic()``, for time limits of I/O, even where a test replaced the clock or froze it."""
    return _clocks[0]()


def now() -> float:
    """Return the seconds of the clock in use."""
    return _clocks[-1]()


@contextmanager
def using(clock: Clock) -> Generator[None]:
    """Use ``clock`` within the block, for tests. Components created meanwhile keep it."""
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.pop()
