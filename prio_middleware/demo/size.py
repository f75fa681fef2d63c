"""How much the demo does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of calls and callers, and times in seconds.

    Attributes:
        calls: calls of a burst, and calls in flight when the tokens are revoked.
        threads: threads that make them, where threads do.
        connections: connections each client may open in a burst.
        lifetime: how long the tokens that expire under load are good for.
        forbidden: forbidden calls after the lesson was learnt.
        callers: tasks that make them.
    """

    calls: int = 1000
    threads: int = 250
    connections: int = 10
    lifetime: float = 2.0
    forbidden: int = 2000
    callers: int = 100


FULL = Size()
"""Half a minute at most, on two cores."""

QUICK = Size(calls=80, threads=20, connections=3, lifetime=1.0, forbidden=100, callers=20)
"""The same story told with a few calls."""
