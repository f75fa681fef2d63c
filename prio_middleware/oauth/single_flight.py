"""Single flight: one fetch for many callers, across threads and event loops. A forked process starts without fetches.

The first caller that finds no fetch for its options starts one; every other caller joins it. One atomic ``dict.setdefault``
decides who is first, so no lock is held while a token is fetched. A fetch belongs to the provider: it goes on when its callers
leave.
"""

from __future__ import annotations

import copy
import enum
import inspect
import math
import os
import threading
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PrioError, TokenError
from .access_token import DEFAULT_OPTIONS, AccessToken, TokenOptions

if TYPE_CHECKING:
    import anyio
    from opentelemetry.trace import SpanContext

    from ..telemetry.metrics import Trigger

GRACE = 1.0  # Seconds past its deadline after which a fetch counts as lost.
STARTING = 1.0  # Seconds within which a fetch must start: its creator may get a KeyboardInterrupt before it starts it.
JOINED_LIMIT = 100  # Spans of joined callers that a fetch remembers. The OpenTelemetry SDK keeps 128 links of a span.


class NoResult(enum.Enum):
    """Reason for which a caller got neither token nor error from a fetch."""

    ABANDONED = enum.auto()  # The fetch ended without a result: its callers start another.
    TIMED_OUT = enum.auto()  # The caller's wait ended before the fetch.
    OWN_THREAD = enum.auto()  # The caller's own thread runs the fetch, which cannot complete while the caller blocks it.
    CLOSED = enum.auto()  # The caller's own client was closed.


class Crash(NamedTuple):
    """Exception other than a ``TokenError`` that ended a fetch or a function of the application."""

    error: Exception

    def copy(self) -> Exception:
        """Return a copy of the error for one of several callers, so that they do not share one traceback."""
        if isinstance(self.error, PrioError):
            return self.error.copy()
        try:
            return copy.copy(self.error)
        except Exception:  # noqa: BLE001 - not every class can be made again from its arguments
            return self.error


Result = AccessToken | TokenError  # Of a token request.
Outcome = Result | NoResult | Crash
"""End of a fetch: a token, an error, an exception, or none of these."""


class InFlightFetch:
    """A fetch in progress. Its moments are seconds of the provider's clock."""

    def __init__(self, lost_at: float, options: TokenOptions = DEFAULT_OPTIONS, start_by: float = math.inf) -> None:
        self.options = options
        self._completed: Future[Outcome] = Future()
        self._futures: dict[Hashable, Future[Outcome]] = {}  # One for each client: it may be closed before the others.
        self._events: dict[tuple[Hashable, Any], anyio.Event] = {}
        # The ``add`` and ``discard`` of a set are atomic, a counter's ``+=`` is not.
        self._waiting: set[tuple[Hashable, object]] = set()
        # Identifies the client whose transport sends its requests; None if the thread or task of a caller runs it.
        self.sender: Hashable = None
        self.steps: Generator[Any, Any, Any] | None = None  # They complete it. None until a thread or a task runs them.
        self.span: SpanContext | None = None  # Of the fetch, for joined callers to link to.
        self.joined: list[SpanContext] = []  # Of callers that joined, for the fetch's own span to link to.
        self.trigger: Trigger | None = None  # The call that started it in the background; None if a caller waits for it.
        self.lost_at = lost_at  # From then on it counts as lost: a fetch whose event loop was stopped never completes.
        self.start_by = start_by  # From then on it counts as lost if it has not started.
        self.thread: int | None = threading.get_ident()  # The thread that runs it: first its creator's; None between.
        self.stop: Callable[[], object] = lambda: None  # Ends it early, from any thread, without an outcome.
        self.is_running: Callable[[], bool] = lambda: True  # False once its event loop was stopped: it may never run again.

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, or None while the fetch is in progress."""
        return self._completed.result() if self._completed.done() else None

    def starting_seconds(self, now: float) -> float:
        """Return the seconds within which the fetch must start; infinity if it has started."""
        return self.start_by - now if self.steps is None else math.inf

    def has_ended(self, now: float) -> bool:
        """Return whether the fetch has completed, or never will: after an interrupt, or if its event loop was stopped."""
        is_closed = self.steps is not None and inspect.getgeneratorstate(self.steps) == inspect.GEN_CLOSED
        return is_closed or self.outcome is not None or not self.is_running() or self.starting_seconds(now) <= 0

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
            return NoResult.OWN_THREAD
        with self._waiting_for(sender) as future:
            try:
                return future.result(seconds)
            except TimeoutError:
                return NoResult.TIMED_OUT

    async def await_(self, seconds: float, lost_after_seconds: float, sender: Hashable = None) -> Outcome:
        """Wait in a task, on asyncio or trio, and on any event loop, for at most ``seconds``.

        The fetch counts as lost for every caller after ``lost_after_seconds``: one timer serves all of them.
        """
        with self._waiting_for(sender) as future:
            event = self._event(sender, future, lost_after_seconds)
            if seconds >= lost_after_seconds:
                await event.wait()
            else:
                import anyio

                with anyio.move_on_after(seconds):
                    await event.wait()
        return future.result() if future.done() else NoResult.TIMED_OUT

    def close(self, sender: Hashable) -> bool:
        """Tell the waiting callers of ``sender`` that their client is closed. Return whether callers of other clients wait."""
        _set_outcome(self._future(sender), NoResult.CLOSED)
        return any(other != sender for other, _ in list(self._waiting))

    def _future(self, sender: Hashable) -> Future[Outcome]:
        """Return the future with the outcome for the callers of ``sender``."""
        future = self._futures.get(sender)
        if future is None:
            future = self._futures.setdefault(sender, Future())
            self._completed.add_done_callback(lambda completed: _set_outcome(future, completed.result()))
        return future

    @contextmanager
    def _waiting_for(self, sender: Hashable) -> Generator[Future[Outcome]]:
        """Count a caller of ``sender`` as waiting, within ``with``, and give it the future."""
        caller = sender, object()
        self._waiting.add(caller)
        try:
            yield self._future(sender)
        finally:
            self._waiting.discard(caller)

    def _event(self, sender: Hashable, future: Future[Outcome], seconds: float) -> anyio.Event:
        """Return the event that wakes the tasks of ``sender`` on this event loop: with the outcome, or after ``seconds``.

        ``asyncio.wrap_future`` would not do: one cancelled waiter cancels the future for all.
        """
        from anyio.lowlevel import current_token

        loop: Any = current_token().native_token
        event = self._events.get((sender, loop))
        if event is None:  # No other thread gets here with this event loop.
            event, notify = _timed_event(loop, seconds)
            self._events[sender, loop] = event
            # asyncio's event loop and trio's token name the same method differently.
            call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

            def notify_from_any_thread(_: Future[Outcome]) -> None:
                with suppress(RuntimeError):  # The event loop is closed (trio.RunFinishedError is one too).
                    call_soon(notify)

            future.add_done_callback(notify_from_any_thread)
        return event


class SingleFlight:
    """The fetches of one provider: at most one at a time for the same options."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._fetches: dict[TokenOptions, InFlightFetch] = {}
        self._detached: dict[InFlightFetch, None] = {}  # An empty set takes 200 bytes, for each account.

    def join(
        self, options: TokenOptions, now: float, deadline_seconds: float, not_before: float = 0.0
    ) -> tuple[InFlightFetch, bool]:
        """Return the fetch for ``options``, and whether the caller starts it. Replace a fetch that has ended.

        A new fetch may take ``deadline_seconds``, and does not begin before ``not_before``.
        """
        if self._pid != os.getpid():
            # The fetches run in the parent process. Some servers fork without Python's fork hooks, hence this check.
            self._fetches, self._detached, self._pid = {}, {}, os.getpid()
        fetch = self._fetches.get(options)
        if fetch is not None and fetch.has_ended(now):
            self.abandon(fetch)
        elif fetch is not None:
            return fetch, False
        begins_at = max(now, not_before)
        mine = InFlightFetch(begins_at + deadline_seconds + GRACE, options, begins_at + STARTING)
        fetch = self._fetches.setdefault(options, mine)
        return fetch, fetch is mine

    def remove(self, fetch: InFlightFetch) -> bool:
        """Let no more callers join ``fetch``. Return whether it was still the one for its options."""
        self._detached.pop(fetch, None)
        found = self._fetches.pop(fetch.options, None)
        if found is not None and found is not fetch:
            self._fetches.setdefault(fetch.options, found)
        return found is fetch

    def abandon(self, fetch: InFlightFetch) -> None:
        """End ``fetch`` without a result: its callers start another."""
        self.remove(fetch)
        fetch.complete(NoResult.ABANDONED)

    def is_in_progress(self, options: TokenOptions) -> bool:
        fetch = self._fetches.get(options)
        return fetch is not None and fetch.outcome is None and self._pid == os.getpid()

    def detach_all(self) -> None:
        """Let no more callers join the present fetches: the credentials were replaced."""
        detached, self._fetches = self._fetches, {}
        self._detached.update(dict.fromkeys(detached.values()))

    def in_progress(self) -> list[InFlightFetch]:
        """Return the fetches of this process, with those that no caller can join any more."""
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
