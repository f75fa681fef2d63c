"""Single flight: one fetch for many callers, across threads, event loops and forked processes.

The first caller that finds no fetch for its key starts one; every other caller joins it. One atomic ``dict.setdefault`` elects
the leader, so no lock is held while a token is fetched. A fetch belongs to the provider: it goes on when its callers leave.
"""

from __future__ import annotations

import enum
import inspect
import os
import threading
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import TokenError
from .access_token import AccessToken, TokenOptions

if TYPE_CHECKING:
    import anyio
    from opentelemetry.trace import SpanContext

JOINED_LIMIT = 100
"""Spans of joined callers that a fetch remembers. The OpenTelemetry SDK keeps 128 links of a span."""


class NoOutcome(enum.Enum):
    """Reason for which a fetch gave neither token nor error."""

    ABANDONED = enum.auto()
    """The fetch ended before it had an outcome: callers elect another leader."""

    TIMED_OUT = enum.auto()
    """The wait is over, and the fetch has not completed."""

    OWN_THREAD = enum.auto()
    """The caller's own thread runs the fetch: it cannot complete while the caller blocks the thread."""

    CLOSED = enum.auto()
    """The caller's own client was closed meanwhile."""


class Crash(NamedTuple):
    """Exception that is no error of a token endpoint: each caller raises a copy."""

    error: Exception


Outcome = AccessToken | TokenError | NoOutcome | Crash
"""Result of a fetch."""


class InFlightFetch:
    """A fetch in progress.

    Attributes:
        lost_at: moment of the provider's clock, in seconds, from which the fetch counts as lost: a fetch whose event loop was
            stopped never completes.
        sender: identifies the client whose transport sends its requests; None: the thread of the caller that started it.
        thread: the thread that runs it; None until that thread has started.
        steps: the generator that completes it; None until a thread or a task runs it.
        span: the span of the fetch, for joined callers to link to.
        joined: spans of callers that joined, for the fetch's own span to link to.
        stop: ends the fetch early, from any thread, without an outcome.
        is_running: returns False once the fetch's event loop was stopped: it may never run again.
    """

    __slots__ = ("_completed", "_waiters", "is_running", "joined", "lost_at", "sender", "span", "steps", "stop", "thread")

    def __init__(self, lost_at: float) -> None:
        self._waiters: dict[Hashable, _Waiters] = {}
        self._completed: Future[Outcome] = Future()
        self.sender: Hashable = None
        self.steps: Generator[Any, Any, Any] | None = None
        self.span: SpanContext | None = None
        self.joined: list[SpanContext] = []
        self.lost_at = lost_at
        self.thread: int | None = threading.get_ident()
        self.stop: Callable[[], object] = lambda: None
        self.is_running: Callable[[], bool] = lambda: True

    @property
    def outcome(self) -> Outcome | None:
        """Return the outcome, or None while the fetch is in progress."""
        return self._completed.result() if self._completed.done() else None

    @property
    def is_lost(self) -> bool:
        """Return whether nothing completes the fetch any more: an interrupt ended its steps, or its event loop was stopped."""
        has_ended = self.steps is not None and inspect.getgeneratorstate(self.steps) == inspect.GEN_CLOSED
        return not self.is_running() or (has_ended and self.outcome is None)

    def complete(self, outcome: Outcome) -> None:
        """Give ``outcome`` to every waiting caller. Only the first outcome counts."""
        _set_outcome(self._completed, outcome)

    def join_span(self, span: SpanContext) -> None:
        """Remember the span of a caller that joins."""
        if span.is_valid and len(self.joined) < JOINED_LIMIT:
            self.joined.append(span)

    def wait(self, seconds: float, sender: Hashable = None) -> Outcome:
        """Block for at most ``seconds``. ``sender`` identifies the caller's client."""
        if self.thread == threading.get_ident() and self.outcome is None:
            return NoOutcome.OWN_THREAD
        with self._waiters_of(sender).waiting() as future:
            try:
                return future.result(seconds)
            except TimeoutError:
                return NoOutcome.TIMED_OUT

    async def await_(self, seconds: float, lost_after_seconds: float | None = None, sender: Hashable = None) -> Outcome:
        """Wait in a task, on asyncio or trio, and on any event loop.

        Args:
            seconds: longest wait.
            lost_after_seconds: seconds after which the fetch counts as lost for every caller: one timer serves all of them.
                Default: ``seconds``.
            sender: identifies the caller's client.
        """
        waiters = self._waiters_of(sender)
        with waiters.waiting() as future:
            event = waiters.event(seconds if lost_after_seconds is None else lost_after_seconds)
            if lost_after_seconds is None or seconds >= lost_after_seconds:
                await event.wait()
            else:
                import anyio

                with anyio.move_on_after(seconds):
                    await event.wait()
        return future.result() if future.done() else NoOutcome.TIMED_OUT

    def close(self, sender: Hashable) -> bool:
        """Tell the waiting callers of ``sender`` that their client is closed. Return whether callers of other clients wait."""
        _set_outcome(self._waiters_of(sender).future, NoOutcome.CLOSED)
        return any(waiters.count for other, waiters in list(self._waiters.items()) if other != sender)

    def _waiters_of(self, sender: Hashable) -> _Waiters:
        waiters = self._waiters.get(sender)
        if waiters is None:
            waiters = self._waiters.setdefault(sender, _Waiters())
            future = waiters.future
            self._completed.add_done_callback(lambda completed: _set_outcome(future, completed.result()))
        return waiters


class _Waiters:
    """The callers of one client that wait for a fetch: they may be answered before those of other clients.

    Attributes:
        future: their answer.
    """

    __slots__ = ("_events", "_waiting", "future")

    def __init__(self) -> None:
        self._events: dict[Any, anyio.Event] = {}
        self._waiting: set[object] = set()  # A set's ``add`` and ``discard`` are atomic, a counter's ``+=`` is not.
        self.future: Future[Outcome] = Future()

    @property
    def count(self) -> int:
        """Return the number of callers that wait."""
        return len(self._waiting)

    @contextmanager
    def waiting(self) -> Generator[Future[Outcome]]:
        """Count a caller as waiting, within ``with``, and give it the future."""
        entry = object()
        self._waiting.add(entry)
        try:
            yield self.future
        finally:
            self._waiting.discard(entry)

    def event(self, seconds: float) -> anyio.Event:
        """Return the event that wakes all tasks of this event loop at once: at the answer, or after ``seconds``.

        ``asyncio.wrap_future`` would not do: one cancelled waiter cancels the future for all.
        """
        from anyio.lowlevel import current_token

        loop: Any = current_token().native_token
        event = self._events.get(loop)
        if event is None:  # No other thread gets here with this event loop.
            event, notify = _timed_event(loop, seconds)
            self._events[loop] = event
            # asyncio's event loop and trio's token name the same method differently.
            call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

            def notify_from_any_thread(_: Future[Outcome]) -> None:
                with suppress(RuntimeError):  # The event loop is closed (trio.RunFinishedError is one too).
                    call_soon(notify)

            self.future.add_done_callback(notify_from_any_thread)
        return event


class SingleFlight:
    """The fetches of one provider: at most one for each key at a time."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._fetches: dict[TokenOptions, InFlightFetch] = {}
        self._detached: dict[InFlightFetch, None] = {}  # An empty set takes 200 bytes, for each account.

    def join(self, key: TokenOptions, lost_at: float) -> tuple[InFlightFetch, bool]:
        """Return the fetch for ``key``, and whether the caller leads it."""
        if self._pid != os.getpid():
            # The fetches stayed in the parent process. Not every server runs Python's fork hooks, hence this check.
            self._fetches, self._detached, self._pid = {}, {}, os.getpid()
        fetch = self._fetches.get(key)
        if fetch is not None:  # Callers that join need not create a fetch each.
            return fetch, False
        mine = InFlightFetch(lost_at)
        fetch = self._fetches.setdefault(key, mine)
        return fetch, fetch is mine

    def drop(self, key: TokenOptions, fetch: InFlightFetch) -> bool:
        """Forget ``fetch`` if it is still the one for ``key``. Return whether it was."""
        self._detached.pop(fetch, None)
        found = self._fetches.pop(key, None)
        if found is not None and found is not fetch:
            self._fetches.setdefault(key, found)
        return found is fetch

    def is_in_progress(self, key: TokenOptions) -> bool:
        """Return whether a fetch for ``key`` is in progress in this process."""
        fetch = self._fetches.get(key)
        return fetch is not None and fetch.outcome is None and self._pid == os.getpid()

    def detach_all(self) -> None:
        """Let no more callers join the present fetches: the credentials were replaced."""
        detached, self._fetches = self._fetches, {}
        self._detached.update(dict.fromkeys(detached.values()))

    def in_progress(self) -> list[InFlightFetch]:
        """Return the fetches of this process, those included that no caller can join any more."""
        return [*self._fetches.values(), *self._detached] if self._pid == os.getpid() else []


def _set_outcome(future: Future[Outcome], outcome: Outcome) -> None:
    with suppress(InvalidStateError):  # It has one already.
        future.set_result(outcome)


def _timed_event(loop: Any, seconds: float) -> tuple[anyio.Event, Callable[[], object]]:
    """Create an event that is set after ``seconds``, and the function that sets it sooner."""
    import anyio

    event = anyio.Event()
    if hasattr(loop, "call_later"):
        timer = loop.call_later(seconds, event.set)

        def notify() -> None:
            timer.cancel()
            event.set()

        return event, notify
    import trio

    async def set_after() -> None:
        try:
            with anyio.move_on_after(seconds):
                await event.wait()
        finally:  # At the end of the run, too: a shielded task may wait for it.
            event.set()

    trio.lowlevel.spawn_system_task(set_after)
    return event, event.set
