"""Event loops for the async scenarios."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

from anyio.from_thread import start_blocking_portal

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run_async(function: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
    """What the async ``function`` returns, run on an event loop in a thread of its own.

    Ctrl-C so interrupts a thread that merely waits, and its way out cancels what runs on the loop.
    """
    with start_blocking_portal() as portal:
        return portal.call(function, *arguments)
