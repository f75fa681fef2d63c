"""Effects: the steps of a fetch that do I/O, the loops that carry them out, and the background threads and tasks."""

from __future__ import annotations

import contextvars
import inspect
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import TokenError
from ..telemetry.metrics import attached
from .access_token import TokenOptions
from .single_flight import Crash, InFlightFetch, NoResult, Outcome, Result
from .token_request import TokenEndpoint, TokenRequest
from .token_response import TokenResponse

if TYPE_CHECKING:
    from opentelemetry.context import Context

T = TypeVar("T")

Send = Callable[[TokenRequest], TokenResponse]
"""Sends a token request and returns the response. It raises only a PrioError, if the request may not be sent."""

AsyncSend = Callable[[TokenRequest], Awaitable[TokenResponse]]


class Post(NamedTuple):
    """Send a request to the authorization server. The result is the response."""

    request: TokenRequest
    context: Context | None = None  # OpenTelemetry's context: the parent of the HTTP spans. Default: the current one.

    def do(self, send: Send) -> TokenResponse:
        with nullcontext() if self.context is None else attached(self.context):
            return send(self.request)

    async def ado(self, send: AsyncSend) -> TokenResponse:
        with nullcontext() if self.context is None else attached(self.context):
            return await send(self.request)


class Wait(NamedTuple):
    """Wait for a fetch. The result is its outcome."""

    fetch: InFlightFetch
    seconds: float  # Longest wait of this caller.
    lost_after_seconds: float  # Seconds after which the fetch counts as lost, for every caller.
    joined: bool = True  # Another caller started the fetch.

    def do(self, send: Send) -> Outcome:
        return self.fetch.wait(min(self.seconds, self.lost_after_seconds), send)

    def ado(self, send: AsyncSend) -> Awaitable[Outcome]:
        return self.fetch.await_(self.seconds, self.lost_after_seconds, send)


class Pause(NamedTuple):
    """Pause for ``seconds``."""

    seconds: float
    failure: TokenError | None = None  # Error of the attempt that is repeated after the pause, if there was one.
    give_up_seconds: float = 0.0  # Seconds until the whole fetch is given up, if there is a ``failure``.

    def do(self, send: Send) -> None:
        time.sleep(self.seconds)

    async def ado(self, send: AsyncSend) -> None:
        import anyio

        await anyio.sleep(self.seconds)


class Background(NamedTuple):
    """Run the steps of a fetch beside the callers. The result is True if they were started."""

    steps: Steps[Any]
    fetch: InFlightFetch

    def do(self, send: Send) -> bool:
        """Start the steps in a daemon thread. An executor would not do: the exit of the process waits for its threads."""
        if not may_start_threads():
            return False
        stop, self.fetch.thread = Stop(), None
        self.fetch.sender, self.fetch.stop = send, stop.set
        # The caller's context makes its span the parent of the fetch's span, and gives log records its trace.
        target = contextvars.copy_context().run
        thread = threading.Thread(target=target, args=(self._run, send, stop), name="prio_middleware.fetch", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # No more threads, or the interpreter is shutting down.
            self.fetch.thread = threading.get_ident()
            return False
        return True

    def _run(self, send: Send, stop: Stop) -> None:
        self.fetch.thread, self.fetch.steps = threading.get_ident(), self.steps

        def stoppable(request: TokenRequest) -> TokenResponse:
            request.stop = stop
            return send(request)

        result: Any = None
        try:
            while not stop.is_set():
                effect = self.steps.send(result)
                result = stop.wait(effect.seconds) if isinstance(effect, Pause) else effect.do(stoppable)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - the callers raise it: a thread could only print it
            self.fetch.complete(Crash(error))
        finally:
            self.steps.close()
            self.fetch.complete(NoResult.ABANDONED)  # Steps that did not begin complete nothing.

    async def arun(self, send: AsyncSend) -> None:
        """Run the steps in a task of their own, which raises nothing but its cancellation."""
        result: Any = None
        try:
            while True:
                result = await self.steps.send(result).ado(send)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - the callers raise it: an exception of a system task would end trio's run
            self.fetch.complete(Crash(error))
        finally:
            self.steps.close()

    async def ado(self, send: AsyncSend) -> bool:
        """Start the steps in a task of the caller's event loop, outside of any task group."""
        from anyio.lowlevel import current_token

        try:
            loop: Any = current_token().native_token
        except RuntimeError:  # Neither asyncio nor trio: the caller runs the fetch itself.
            return False
        self.fetch.sender = send
        if hasattr(loop, "create_task"):
            _start_asyncio_task(loop, self, send)
        else:
            _start_trio_task(loop, self, send)
        self.fetch.steps = self.steps
        return True


_fetches: dict[Any, InFlightFetch] = {}  # By the task that runs it: asyncio keeps weak references only.


def _start_asyncio_task(loop: Any, background: Background, send: AsyncSend) -> None:
    # The task of a closed event loop can neither go on nor clean up. A copy: other threads change the dictionary.
    for orphan in [task for task in _fetches.copy() if task.get_loop().is_closed()]:
        if left := _fetches.pop(orphan, None):  # Otherwise another thread ends it.
            left.complete(NoResult.ABANDONED)  # First: what its cleanup raises is no outcome.
            orphan.get_coro().close()
    fetch = background.fetch
    task = loop.create_task(background.arun(send))  # An exception above leaves no coroutine behind.
    # An event loop may be closed without cancelling its tasks: that ends the fetch, and is no mistake of the application.
    task._log_destroy_pending = False  # noqa: SLF001 - as asyncio's own gather() does; there is no public way
    _fetches[task] = fetch
    # A task that is cancelled before its first step runs no code at all.
    task.add_done_callback(lambda task: _fetches.pop(task).complete(NoResult.ABANDONED))
    fetch.is_running = loop.is_running

    def stop() -> None:
        with suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(task.cancel)

    fetch.stop = stop


def _start_trio_task(token: Any, background: Background, send: AsyncSend) -> None:
    import trio

    scope = trio.CancelScope()

    async def in_scope() -> None:
        with scope:
            await background.arun(send)

    def stop() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(scope.cancel)

    background.fetch.stop = stop
    trio.lowlevel.spawn_system_task(in_scope, context=contextvars.copy_context())


class RunBlocking(NamedTuple):
    """Run this operation, which may block for some seconds and must not raise. The result is its return value."""

    operation: Callable[[], Any]

    def do(self, send: Send) -> Any:
        return self.operation()

    async def ado(self, send: AsyncSend) -> Any:
        """Run it in a worker thread."""
        import anyio.to_thread

        # A limiter of its own: the application may keep all of its threads busy.
        return await anyio.to_thread.run_sync(self.operation, limiter=anyio.CapacityLimiter(1))


class Call(NamedTuple):
    """Call a function of the application. The result is its return value; a :class:`Crash` if it raises or takes too long."""

    function: Callable[[str], Any]  # It may be a coroutine function, for an awaiting caller.
    argument: str
    seconds: float  # Time limit for an awaiting caller. A blocking one waits: its thread belongs to the fetch.
    ended: Callable[[], object]  # Called when the function has ended, even after the time limit.

    def do(self, send: Send) -> Any:
        result = self._call([])
        if inspect.iscoroutine(result):  # Only an async client can await it.
            result.close()
        return result

    async def ado(self, send: AsyncSend) -> Any:
        """Await a coroutine function. Call any other function in a worker thread, which goes on after the time limit."""
        import anyio.to_thread

        with anyio.move_on_after(self.seconds):
            if not inspect.iscoroutinefunction(self.function):
                limiter = anyio.CapacityLimiter(1)
                started: list[None] = []
                try:
                    result = await anyio.to_thread.run_sync(self._call, started, limiter=limiter, abandon_on_cancel=True)
                finally:
                    if not started:  # Cancelled before, or there are no more threads.
                        self.ended()
                return await _awaited(result) if inspect.isawaitable(result) else result
            try:
                return await _awaited(self.function(self.argument))
            finally:
                self.ended()
        return Crash(TimeoutError())

    def _call(self, started: list[None]) -> Any:
        started.append(None)
        try:
            return self.function(self.argument)
        except Exception as error:  # noqa: BLE001 - the application's function may raise anything
            return Crash(error)
        finally:
            self.ended()


async def _awaited(result: Awaitable[Any]) -> Any:
    try:
        return await result
    except Exception as error:  # noqa: BLE001 - the application's function may raise anything
        return Crash(error)


Effect = Post | Wait | Pause | Background | RunBlocking | Call

Steps = Generator[Effect, Any, T]
"""Yields effects, receives their results, and returns ``T``."""


def run(steps: Steps[T], send: Send) -> T:
    """Run ``steps`` in this thread and return their result."""
    result: Any = None
    try:
        while True:
            result = steps.send(result).do(send)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()  # An interrupt must not leave the fetch behind.


async def arun(steps: Steps[T], send: AsyncSend) -> T:
    """Run ``steps`` in this task, on asyncio or trio, and return their result."""
    result: Any = None
    try:
        while True:
            result = await steps.send(result).ado(send)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()  # A cancellation must not leave the fetch behind.


def request_token(
    endpoint: TokenEndpoint, options: TokenOptions, deadline_at: float, clock: Callable[[], float]
) -> Steps[Result]:
    """Send one token request and read the response. ``deadline_at`` is the moment of ``clock`` that ends the whole fetch."""
    requested_at = clock()
    request = endpoint.request(options, deadline_at, requested_at)
    response: TokenResponse = yield Post(request)
    return endpoint.read(response, requested_at, request)


_held_off = ContextVar("_held_off", default=False)


@contextmanager
def no_threads() -> Generator[None]:
    """Keep this package from starting background threads, within ``with``: a server may fork next.

    Python 3.12 and later warn of a fork beside threads, and a child may inherit a lock that a thread holds.
    """
    token = _held_off.set(True)
    try:
        yield
    finally:
        _held_off.reset(token)


def may_start_threads() -> bool:
    """Return whether a new thread would run: not within :func:`no_threads`, at exit, or under uWSGI without threads."""
    # Before Python 3.12, a thread that is started while the interpreter exits never runs, and its starter blocks for ever.
    return not (_held_off.get() or sys.is_finalizing() or _uwsgi_without_threads())


def _uwsgi_without_threads() -> bool:
    """Return whether this is a uWSGI worker that was started without ``enable-threads`` and ``threads``.

    Its threads never get the interpreter lock, so one that is started does not run
    (https://uwsgi-docs.readthedocs.io/en/latest/WSGIquickstart.html#a-note-on-python-threads).
    """
    options: Mapping[str, object] | None = getattr(sys.modules.get("uwsgi"), "opt", None)
    if options is None or "threads" in options:
        return False
    value = options.get("enable-threads")
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.lower() in {"", "0", "false", "no", "off", "none"}


class Stop(threading.Event):
    """Early end of one thread's work: wakes its pauses, and cancels its requests. Any thread may set it."""

    def __init__(self) -> None:
        super().__init__()
        self._cuts: list[Callable[[], object]] = []

    def set(self) -> None:
        super().set()
        for cut in list(self._cuts):
            cut()

    @contextmanager
    def cutting(self, cut: Callable[[], object]) -> Generator[None]:
        """Call ``cut`` if the work must end within ``with``, or must have ended before."""
        self._cuts.append(cut)
        try:
            if self.is_set():
                cut()
            yield
        finally:
            self._cuts.remove(cut)
