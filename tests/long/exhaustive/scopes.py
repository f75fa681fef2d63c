"""Scopes to explore: each kind of failure, as often as it leads to new states.

A scope limits the number of events, not the length of a schedule: within a scope the exploration is complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.long.exhaustive.scope import Scope


def scopes(callers: int, ticks: int) -> Iterator[Scope]:
    """Yield the scopes for a number of callers and of clock steps."""
    yield Scope(callers, failures=2, cancellations=2)
    yield Scope(callers, endings=2, cancellations=1)
    yield Scope(callers, endings=1, failures=1)
    yield Scope(callers, losses=1, failures=1, cancellations=1)
    yield Scope(callers, losses=2)
    yield Scope(callers - 1, freezes=1, failures=1)
    yield Scope(callers - 1, freezes=1, endings=1)
    yield Scope(callers, closings=1, failures=1, cancellations=1)
    yield Scope(callers, max_wait=3.0, failures=1, endings=1, ticks=ticks)
    yield Scope(callers, failures=1, cancellations=1, inline=True)
    yield Scope(callers, rotations=1, failures=1)
    yield Scope(callers, rotations=1, cancellations=1)
    yield Scope(callers - 1, rotations=1, endings=1)
    yield Scope(callers, revocations=1, failures=1)
    yield Scope(callers, revocations=1, failures=1, ticks=ticks, threads=False)
    yield Scope(callers - 1, revocations=1, rotations=1, failures=1)
    yield Scope(callers - 1, revocations=1, failures=1, cancellations=1)
    yield Scope(callers - 1, revocations=1, endings=1, freezes=1)
    for age in ("fresh", "due", "expired"):
        steps = ticks + (age == "fresh")  # The first one leads to where it is due.
        yield Scope(callers, age, "on_expiry", failures=1, cancellations=1, ticks=steps)
        yield Scope(callers - 1, age, "on_expiry", endings=1, freezes=1)
        yield Scope(callers, age, "ahead", failures=1, endings=1, ticks=steps)
