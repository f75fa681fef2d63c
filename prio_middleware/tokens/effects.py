"""What the provider wants done, and the two small loops that do it: one blocks, one awaits.

The provider's logic is a generator that yields effects and is sent their results. So it is written once, does no I/O, and a
test can play every schedule by hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple, TypeVar

from .endpoint import TokenAnswer, TokenRequest
from .flight import Flight

T = TypeVar("T")

Send = Callable[[TokenRequest], TokenAnswer]
"""Sends a token request and returns what came back; it does not raise."""

AsyncSend = Callable[[TokenRequest], Awaitable[TokenAnswer]]


class Post(NamedTuple):
    """Send this token request; the result is a :class:`TokenAnswer`."""

    request: TokenRequest


class Wait(NamedTuple):
    """Wait for this flight, at most so many seconds; the result is its outcome, or None when it has not landed."""

    flight: Flight
    seconds: float


class Pause(NamedTuple):
    """Do nothing for so many seconds."""

    seconds: float


class Background(NamedTuple):
    """Run these steps beside the caller, who does not wait for them; the result says whether they could be started."""

    steps: Steps[Any]
    flight: Flight


Effect = Post | Wait | Pause | Background
Steps = Generator[Effect, Any, T]


def run(steps: Steps[T], send: Send) -> T:
    """Do what ``steps`` ask for, blocking, and return their result."""
    result: Any = None
    try:
        while True:
            result = _do(steps.send(result), send)
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
            result = await _ado(steps.send(result), send)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()  # Nor must a cancellation.


def _do(effect: Effect, send: Send) -> Any:
    match effect:
        case Post(request):
            return send(request)
        case Wait(flight, seconds):
            return flight.wait(seconds)
        case Pause(seconds):
            time.sleep(seconds)
        case Background(steps, flight):
            return _in_thread(steps, flight, send)
    return None


async def _ado(effect: Effect, send: AsyncSend) -> Any:
    match effect:
        case Post(request):
            return await send(request)
        case Wait(flight, seconds):
            return await flight.await_(seconds)
        case Pause(seconds):
            import anyio

            await anyio.sleep(seconds)
        case Background(steps, _):
            return _in_task(steps, send)
    return None


def _in_thread(steps: Steps[Any], flight: Flight, send: Send) -> bool:
    def lead() -> None:
        flight.thread = threading.get_ident()
        run(steps, send)

    try:
        threading.Thread(target=lead, name="prio_middleware.refresh", daemon=True).start()
    except RuntimeError:  # No more threads, or the interpreter is shutting down.
        return False
    return True


_tasks: set[Any] = set()  # asyncio keeps weak references only.


def _in_task(steps: Steps[Any], send: AsyncSend) -> bool:
    from anyio.lowlevel import current_token

    loop: Any = current_token().native_token
    if hasattr(loop, "create_task"):
        task = loop.create_task(arun(steps, send))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    else:
        import trio

        trio.lowlevel.spawn_system_task(arun, steps, send)
    return True
