"""An interrupt (KeyboardInterrupt) at any line of a fetch leaves no call open: the next caller gets a token."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

import pytest

from prio_middleware.oauth import effects, provider, single_flight
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import no_threads
from tests.oauth import helpers
from tests.oauth.helpers import Server, token

FILES = {module.__file__ for module in (effects, provider, single_flight)}
STEPS = 2000


class Clock:
    """The real clock, and a time that has passed."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed


class Interrupt:
    """Trace function that raises KeyboardInterrupt at the line with number ``at`` of the traced files, once."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.where = ""

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename not in FILES or self.where:
            return None
        if event == "line":
            self._left -= 1
            if self._left < 0:
                self.where = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self

    @contextlib.contextmanager
    def tracing(self) -> Any:
        before = sys.gettrace()
        try:
            sys.settrace(self)
            yield
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)


def interrupted_threads(threads: type[AbstractContextManager[None]], rejected: bool) -> list[str]:
    """Interrupt a caller at each line. Return those after which the next caller, in another thread, got no token."""
    stuck: list[str] = []
    at = 0
    with ThreadPoolExecutor(1) as other:
        for at in range(STEPS):
            clock, server = Clock(), Server(token(), token(), token())
            tokens, interrupt = helpers.provider(clock), Interrupt(at)
            old = tokens.get_token(DEFAULT_OPTIONS, None, server) if rejected else None
            if old:
                tokens.invalidate(old)
            with interrupt.tracing(), threads():
                tokens.get_token(DEFAULT_OPTIONS, old, server)
            if not interrupt.where:
                break
            clock.passed += 1.1
            error = other.submit(tokens.get_token, DEFAULT_OPTIONS, old, server, max_wait=0.3).exception(helpers.TIMEOUT)
            if error is not None:
                stuck.append(f"{interrupt.where} {error!r}")
    assert at > 50
    return stuck


def interrupted_tasks() -> list[str]:
    """Do the same with a task, whose event loop ends by the interrupt."""
    stuck: list[str] = []
    at = 0

    async def send(request: Any) -> Any:
        return server(request)

    for at in range(STEPS):
        clock, server = Clock(), Server(token(), token(), token())
        tokens, interrupt = helpers.provider(clock), Interrupt(at)
        with interrupt.tracing():
            asyncio.run(tokens.aget_token(DEFAULT_OPTIONS, None, send))
        if not interrupt.where:
            break
        clock.passed += 1.1
        try:
            tokens.get_token(DEFAULT_OPTIONS, None, server, max_wait=0.3)
        except Exception as error:  # noqa: BLE001 - each of them is reported
            stuck.append(f"{interrupt.where} {error!r}")
    assert at > 50
    return stuck


# In a thread of its own: in Python 3.11, a trace function that raises upsets the interpreter's count of its thread's recursion.


@pytest.mark.pitfall(id="interrupted-leader")
@pytest.mark.parametrize("rejected", [False, True])
@pytest.mark.parametrize("threads", [nullcontext, no_threads])
def test_after_an_interrupt_at_any_line_the_next_caller_gets_a_token(
    threads: type[AbstractContextManager[None]], rejected: bool
) -> None:
    with ThreadPoolExecutor(1) as own:
        assert own.submit(interrupted_threads, threads, rejected).result() == []


@pytest.mark.pitfall(id="interrupted-leader")
def test_after_an_interrupted_task_the_next_caller_gets_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")  # asyncio reports the interrupts of tasks that nothing awaits.
    with ThreadPoolExecutor(1) as own:
        assert own.submit(interrupted_tasks).result() == []
    gc.collect()  # What an interrupt left behind, such as a coroutine that nothing awaits, is reported in this test.


@pytest.mark.pitfall(id="interrupted-leader")
def test_a_caller_that_joins_a_fetch_that_nothing_started_waits_for_a_second_at_most() -> None:
    clock = helpers.Clock()
    tokens = helpers.provider(clock)
    leader = tokens.acquire(DEFAULT_OPTIONS, None)
    next(leader)  # It is about to start the fetch.
    joiner = tokens.acquire(DEFAULT_OPTIONS, None)
    wait = next(joiner)

    assert isinstance(wait, effects.Wait)
    assert wait.seconds == single_flight.STARTING
    clock.now += wait.seconds
    assert isinstance(joiner.send(single_flight.NoResult.TIMED_OUT), effects.Background)
    joiner.close()
    leader.close()
