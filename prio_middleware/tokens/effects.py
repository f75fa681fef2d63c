"""What the provider wants done, and the two small loops that do it: one blocks, one awaits.

The provider's logic is a generator that yields effects and is sent their results. So it is written once, does no I/O, and a
test can play every schedule by hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..telemetry.providers import attached
from .endpoint import TokenAnswer, TokenRequest
from .flight import Flight, Outcome

if TYPE_CHECKING:
    from opentelemetry.context import Context

T = TypeVar("T")

Send = Callable[[TokenRequest], TokenAnswer]
"""Sends a token request and returns what came back; it does not raise."""

AsyncSend = Callable[[TokenRequest], Awaitable[TokenAnswer]]


class Post(NamedTuple):
    """Send this token request. The result is the answer."""

    request: TokenRequest

    def do(self, send: Send) -> TokenAnswer:
        """Blocking."""
        return send(self.request)

    def ado(self, send: AsyncSend) -> Awaitable[TokenAnswer]:
        """Awaiting."""
        return send(self.request)


class Get(Post):
    """Send this request for metadata: another method, and all the rest alike."""


class Wait(NamedTuple):
    """Wait for this flight, at most so many seconds. The result is its outcome."""

    flight: Flight
    seconds: float

    def do(self, send: Send) -> Outcome:
        """Blocking."""
        return self.flight.wait(self.seconds)

    def ado(self, send: AsyncSend) -> Awaitable[Outcome]:
        """Awaiting."""
        return self.flight.await_(self.seconds)


class Pause(NamedTuple):
    """Do nothing for so many seconds."""

    seconds: float

    def do(self, send: Send) -> None:
        """Blocking."""
        time.sleep(self.seconds)

    async def ado(self, send: AsyncSend) -> None:
        """Awaiting."""
        import anyio

        await anyio.sleep(self.seconds)


class Background(NamedTuple):
    """Run these steps beside the caller, who does not wait for them. The result says whether they could be started."""

    steps: Steps[Any]
    flight: Flight

    def do(self, send: Send) -> bool:
        """In a thread that ends with them."""
        try:
            threading.Thread(target=self._lead, args=(send,), name="prio_middleware.refresh", daemon=True).start()
        except RuntimeError:  # No more threads, or the interpreter is shutting down.
            return False
        return True

    def _lead(self, send: Send) -> None:
        self.flight.thread = threading.get_ident()
        run(self.steps, send)

    async def ado(self, send: AsyncSend) -> bool:
        """In a task of the caller's event loop."""
        from anyio.lowlevel import current_token

        loop: Any = current_token().native_token
        if hasattr(loop, "create_task"):
            task = loop.create_task(arun(self.steps, send))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            import trio

            trio.lowlevel.spawn_system_task(arun, self.steps, send)
        return True


class Ask(NamedTuple):
    """Carry out this operation, which blocks for a moment and does not raise. The result is what it returns."""

    operation: Callable[[], Any]

    def do(self, send: Send) -> Any:
        """In the caller's thread."""
        return self.operation()

    async def ado(self, send: AsyncSend) -> Any:
        """In a worker thread."""
        import anyio.to_thread

        # A limiter of its own: the application may keep all of its threads busy.
        return await anyio.to_thread.run_sync(self.operation, limiter=anyio.CapacityLimiter(1))


class Within(NamedTuple):
    """Do this while ``context`` is OpenTelemetry's current one: the HTTP spans of a token request are its span's children."""

    effect: Post
    context: Context

    def do(self, send: Send) -> Any:
        """Blocking."""
        with attached(self.context):
            return self.effect.do(send)

    async def ado(self, send: AsyncSend) -> Any:
        """Awaiting."""
        with attached(self.context):
            return await self.effect.ado(send)


_tasks: set[Any] = set()  # asyncio keeps weak references only.

Effect = Post | Wait | Pause | Background | Ask | Within
Steps = Generator[Effect, Any, T]


def run(steps: Steps[T], send: Send) -> T:
    """Do what ``steps`` ask for, blocking, and return their result."""
    result: Any = None
    try:
        while True:
            result = steps.send(result).do(send)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()  # An interrupt in here must not leave the flight behind.


async def arun(steps: Steps[T], send: AsyncSend) -> T:
    """Do what ``steps`` ask for, awaiting, and return their result. Runs on asyncio and trio."""
    result: Any = None
    try:
        while True:
            result = await steps.send(result).ado(send)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()  # Nor must a cancellation.
