"""Many callers at once, on ten clients: from threads, from tasks, or from both together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from typing import Protocol

import anyio

from .calls import Calls
from .event_loop import run_async

CLIENTS = 10


class SyncClient(Protocol):
    """What is needed of ``httpx.Client`` and ``httpx2.Client``."""

    def get(self, url: str, /) -> object: ...


class AsyncClient(Protocol):
    """What is needed of ``httpx.AsyncClient`` and ``httpx2.AsyncClient``."""

    async def get(self, url: str, /) -> object: ...


MakeClient = Callable[[], AbstractContextManager[SyncClient]]
MakeAsyncClient = Callable[[], AbstractAsyncContextManager[AsyncClient]]


def from_threads(make_client: MakeClient, calls: Calls, callers: int) -> None:
    """Make ``calls`` from so many threads."""
    with ExitStack() as stack:
        clients = [stack.enter_context(make_client()) for _ in range(CLIENTS)]
        pool = stack.enter_context(ThreadPoolExecutor(callers))
        # Called first on the way out: an interrupted demo waits for the calls under way, and for no others.
        stack.callback(calls.stop)
        wait([pool.submit(_call, clients[number % CLIENTS], calls) for number in range(callers)])


def from_tasks(make_client: MakeAsyncClient, calls: Calls, callers: int) -> None:
    """Make ``calls`` from so many tasks of one event loop."""
    run_async(_from_tasks, make_client, calls, callers)


def from_both(sync: MakeClient, threads: int, asynchronous: MakeAsyncClient, tasks: int, calls: Calls) -> None:
    """Make ``calls`` from threads and tasks at the same time."""
    with ThreadPoolExecutor(1) as beside:
        crew = beside.submit(from_threads, sync, calls, threads)
        try:
            from_tasks(asynchronous, calls, tasks)
        finally:
            calls.stop()
        crew.result()


async def _from_tasks(make_client: MakeAsyncClient, calls: Calls, callers: int) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(make_client()) for _ in range(CLIENTS)]
        group = await stack.enter_async_context(anyio.create_task_group())
        for number in range(callers):
            group.start_soon(_acall, clients[number % CLIENTS], calls)


def _call(client: SyncClient, calls: Calls) -> None:
    for path in calls:
        try:
            client.get(path)
        except Exception as error:  # noqa: BLE001 - whatever a call fails with, it is one failed call
            calls.end(error)
        else:
            calls.end()


async def _acall(client: AsyncClient, calls: Calls) -> None:
    for path in calls:
        try:
            await client.get(path)
        except Exception as error:  # noqa: BLE001 - whatever a call fails with, it is one failed call
            calls.end(error)
        else:
            calls.end()
