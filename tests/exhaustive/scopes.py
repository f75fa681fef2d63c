"""What is visited: each kind of trouble on its own terms, with as much of it as says something new.

Scopes are bounded by how often a thing may happen, not by how long a schedule is: within a scope nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.exhaustive.scope import Scope


def scopes(callers: int, ticks: int) -> Iterator[Scope]:
    """Everything that is visited with so many callers and steps of the clock."""
    yield Scope(callers, failures=2, cancellations=2)
    yield Scope(callers, losses=1, failures=1, cancellations=1)
    yield Scope(callers, rotations=1, failures=1)
    yield Scope(callers, rotations=1, cancellations=1)
    yield Scope(callers, revocations=1, failures=1)
    yield Scope(callers, revocations=1, failures=1, ticks=ticks, threads=False)
    yield Scope(callers - 1, revocations=1, rotations=1, failures=1)
    yield Scope(callers - 1, revocations=1, failures=1, cancellations=1)
    for age in ("fresh", "due", "expired"):
        steps = ticks + (age == "fresh")  # The first one leads to where it is due.
        yield Scope(callers, age, "on_expiry", failures=1, cancellations=1, ticks=steps)
        yield Scope(callers, age, "ahead", failures=1, cancellations=1, ticks=steps)
