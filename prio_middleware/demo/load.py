"""Load for the demo: many callers at once, in threads, in tasks, or in both. They share ten clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal

CLIENTS = 10


class Calls:
    """Iterator over the paths to call, for any number of threads and tasks. Counts the calls that ended."""

    def __init__(self, paths: Iterable[str], on_end: Callable[[], None]) -> None:
        self._paths = iter(paths)
        self._on_end = on_end
        self._lock = threading.Lock()
        self.made, self.failures, self.stopped = 0, list[str](), False
        self.started = self.ended = time.perf_counter()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        with self._lock:
            if self.stopped:
                raise StopIteration
            return next(self._paths)

    def stop(self) -> None:
        """Hand out no more paths."""
        self.stopped = True

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count the call made in the block, and record its error."""
        failures: list[str] = []
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any error is one failed call
            failures.append(f"{type(error).__name__}: {error}")
        with self._lock:
            self.made += 1
            self.ended = time.perf_counter()
            self.failures += failures
        self._on_end()

    def rate(self) -> str:
        """Return the number of calls and their rate, as text."""
        seconds = self.ended - self.started
        return f"{self.made:,} calls in {seconds:.1f} s, {self.made / seconds:,.0f} a second."

    def notes(self) -> list[str]:
        """Return a note about failed calls, if there were any."""
        return [f"{len(self.failures):,} calls had no response. {self.failures[0]}"] if self.failures else []


def from_threads(make_client: Callable[[], Any], calls: Calls, callers: int) -> None:
    """Make ``calls`` from ``callers`` threads."""

    def work(client: Any) -> None:
        for path in calls:
            with calls.counted():
                client.get(path)

    with ExitStack() as stack:
        clients = [stack.enter_context(make_client()) for _ in range(min(CLIENTS, callers))]
        pool = stack.enter_context(ThreadPoolExecutor(callers))
        stack.callback(calls.stop)  # runs first: after Ctrl-C only the calls in flight are awaited
        wait([pool.submit(work, clients[number % CLIENTS]) for number in range(callers)])


def from_tasks(make_client: Callable[[], Any], calls: Calls, callers: int) -> None:
    """Make ``calls`` from ``callers`` tasks of one event loop."""

    async def work(client: Any) -> None:
        for path in calls:
            with calls.counted():
                await client.get(path)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(make_client()) for _ in range(min(CLIENTS, callers))]
            group = await stack.enter_async_context(anyio.create_task_group())
            for number in range(callers):
                group.start_soon(work, clients[number % CLIENTS])

    with start_blocking_portal() as portal:  # in another thread, so that Ctrl-C cancels it cleanly
        portal.call(run)


def from_both(sync: Callable[[], Any], threads: int, asynchronous: Callable[[], Any], tasks: int, calls: Calls) -> None:
    """Make ``calls`` from threads and from tasks at the same time."""
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(from_threads, sync, calls, threads)
        try:
            from_tasks(asynchronous, calls, tasks)
        finally:
            calls.stop()
        beside.result()
