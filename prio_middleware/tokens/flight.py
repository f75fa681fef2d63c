"""One fetch, many waiters: threads, event loops, and processes forked meanwhile.

Who finds no flight for its key leads one; everyone else waits for it to land. The election is one ``dict.setdefault``, which
is atomic, so no lock is held while a token is fetched, by anyone.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import TokenError
from .token import AccessToken, TokenOptions

if TYPE_CHECKING:
    import anyio
    from opentelemetry.trace import SpanContext


class Unanswered(enum.Enum):
    """Why a flight gave neither token nor error."""

    HANDED_OVER = enum.auto()
    """The leader was cancelled: whoever waited elects another."""

    OVERDUE = enum.auto()
    """It did not land in time: whoever waited takes over."""

    OWN_THREAD = enum.auto()
    """This very thread leads it: it cannot land while we block the thread."""


Outcome = AccessToken | TokenError | Unanswered
"""How a flight ends."""


class Flight:
    """A fetch under way.

    Attributes:
        until: when to stop believing in it, in seconds of the provider's clock: a leader whose event loop was stopped never
            lands.
        thread: the thread that leads it.
        span: the span of its fetch, for those who wait to link to.
    """

    __slots__ = ("_bells", "_future", "span", "thread", "until")

    def __init__(self, until: float) -> None:
        self._bells: dict[Any, anyio.Event] = {}
        self._future: Future[Outcome] = Future()
        self.span: SpanContext | None = None
        self.until = until
        self.thread = threading.get_ident()

    def land(self, outcome: Outcome) -> None:
        """Answer everyone who waits."""
        self._future.set_result(outcome)

    def wait(self, seconds: float) -> Outcome:
        """Block for at most ``seconds``."""
        if self.thread == threading.get_ident():
            return Unanswered.OWN_THREAD
        try:
            return self._future.result(seconds)
        except TimeoutError:
            return Unanswered.OVERDUE

    async def await_(self, seconds: float) -> Outcome:
        """The same for a task, on asyncio or trio, and on any event loop."""
        await self._bell(seconds).wait()
        return self._future.result() if self._future.done() else Unanswered.OVERDUE

    def _bell(self, seconds: float) -> anyio.Event:
        """What rings for all tasks of this event loop at once: when the flight lands, or is overdue.

        ``asyncio.wrap_future`` would not do: there, one cancelled waiter cancels the future for everybody.
        """
        from anyio.lowlevel import current_token

        loop = current_token().native_token
        bell = self._bells.get(loop)
        if bell is None:  # No other thread gets here with this event loop.
            bell, ring = _hang(loop, seconds)
            self._bells[loop] = bell
            self._future.add_done_callback(partial(_call_in, loop, ring))
        return bell


class Flights:
    """The flights of one provider, one for each key at a time."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._flights: dict[TokenOptions, Flight] = {}

    def board(self, key: TokenOptions, until: float) -> tuple[Flight, bool]:
        """The flight for ``key``, and whether the caller leads it."""
        if self._pid != os.getpid():
            # The leaders stayed in the parent process. Not every server runs Python's fork hooks, hence the look here.
            self._flights, self._pid = {}, os.getpid()
        flight = self._flights.get(key)
        if flight is not None:  # So it is for all who wait: they need not make one each.
            return flight, False
        mine = Flight(until)
        flight = self._flights.setdefault(key, mine)
        return flight, flight is mine

    def drop(self, key: TokenOptions, flight: Flight) -> None:
        """Forget ``flight``, if it is still the one for ``key``."""
        found = self._flights.pop(key, None)
        if found is not None and found is not flight:
            self._flights.setdefault(key, found)

    def is_open(self, key: TokenOptions) -> bool:
        """Whether a fetch for ``key`` is under way, in this process."""
        return key in self._flights and self._pid == os.getpid()


def _hang(loop: Any, seconds: float) -> tuple[anyio.Event, Callable[[], object]]:
    """A bell that rings by itself after so many seconds, and what rings it sooner."""
    import anyio

    bell = anyio.Event()
    if hasattr(loop, "call_later"):
        alarm = loop.call_later(seconds, bell.set)

        def ring() -> None:
            alarm.cancel()
            bell.set()

        return bell, ring
    import trio

    trio.lowlevel.spawn_system_task(_ring_after, seconds, bell)
    return bell, bell.set


async def _ring_after(seconds: float, bell: anyio.Event) -> None:
    import anyio

    with anyio.move_on_after(seconds):
        await bell.wait()
    bell.set()


def _call_in(loop: Any, ring: Callable[[], object], _: Future[Outcome]) -> None:
    """Call ``ring`` in its event loop, from any thread."""
    # asyncio's event loop and trio's token spell the same thing differently.
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    with suppress(RuntimeError):  # The event loop is closed (trio.RunFinishedError is one too): nobody waits there.
        call_soon(ring)
