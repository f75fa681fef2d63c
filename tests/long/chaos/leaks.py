"""Resources that a round must release."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import anyio
import trio

from tests.transports.library_privates import connections_in_use, transport_of

TIMEOUT = 5.0
"""Seconds that a refresh beside the callers, or the other end of a connection, may need to come to its end."""

TICK = 0.02


ORPHAN = "NEW, Request Count: 0"
"""Connection whose caller was cancelled just before using it. Both libraries keep it until the client is closed, with or
without this library (encode/httpcore #1093; pydantic/httpx2 #983 fixes a part of it)."""


IDLE_WORKER = re.compile(r"Trio thread \d+")
"""A worker of trio's that has nothing to do: trio keeps it for ten seconds. One at work has another name."""


def busy_connections(client: Any) -> list[str]:
    """The connections of a client whose calls are all over that are neither idle nor closed, but for orphans."""
    busy = connections_in_use(transport_of(client).inner)
    return [f"a connection is not given back: {each}" for each in busy if ORPHAN not in each]


def tasks_alive(backend: str) -> int:
    """The tasks of this event loop."""
    return len(asyncio.all_tasks()) if backend == "asyncio" else trio.lowlevel.current_statistics().tasks_living


async def tasks_left(backend: str, before: int) -> list[str]:
    """The tasks that go on although everything is closed."""
    await await_(lambda: tasks_alive(backend) <= before)
    surplus = tasks_alive(backend) - before
    return [f"{surplus} tasks are left on {backend}"] if surplus > 0 else []


class Belongings:
    """The descriptors and threads of this process now, to be compared with those of later."""

    def __init__(self) -> None:
        gc.collect()
        self._descriptors = _descriptors()
        self._threads = set(threading.enumerate())

    def more(self) -> list[str]:
        """Return the new resources that remain."""
        gc.collect()
        wait(lambda: not (self._new_threads() or _descriptors() > self._descriptors))
        surplus = _descriptors() - self._descriptors
        return [
            *(f"the thread {thread.name} is left" for thread in self._new_threads()),
            *([f"{surplus} descriptors are left open"] if surplus > 0 else []),
        ]

    def _new_threads(self) -> set[threading.Thread]:
        new = set(threading.enumerate()) - self._threads
        return {thread for thread in new if not IDLE_WORKER.fullmatch(thread.name)}


@contextlib.contextmanager
def overheard() -> Generator[list[str]]:
    """Collect uncaught errors of threads and event loops during the ``with`` statement."""
    said: list[str] = []
    handler = _Ear(said)
    before, threading.excepthook = threading.excepthook, lambda args: said.append(f"a thread ended with {args.exc_value!r}")
    logging.getLogger("asyncio").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        threading.excepthook = before


class _Ear(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._said.append(f"asyncio said: {record.getMessage()} {error!r}")


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only the count is needed


def wait(done: Callable[[], bool]) -> None:
    """Wait until ``done`` returns True, or the time is over."""
    until = time.monotonic() + TIMEOUT
    while not done() and time.monotonic() < until:
        time.sleep(TICK)


async def await_(done: Callable[[], bool]) -> None:
    """The same, awaiting."""
    with anyio.move_on_after(TIMEOUT):
        while not done():  # noqa: ASYNC110 - no event announces the end
            await anyio.sleep(TICK)
