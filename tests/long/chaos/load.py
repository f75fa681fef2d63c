"""Callers: threads, and tasks on asyncio and trio, with clients of both libraries. Each call carries its name in its query."""

from __future__ import annotations

import importlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio

from prio_middleware import PrioError, token_extensions
from prio_middleware.settings import ClientSettings
from tests.long.chaos.context import ChaosContext
from tests.long.chaos.disturbances import ACCOUNTS
from tests.long.chaos.history import Call, Ended
from tests.long.chaos.leaks import await_, busy_connections, tasks_alive, tasks_left, wait

LIBRARIES = ["httpx", "httpx2"]
OPEN, CLOSED = "/products/1004", "/reports/sales"
SHARE_OF_CLOSED = 0.03
PAUSE = 0.02
PAUSE_AFTER_FAILURE = 0.2
"""Seconds between two calls of one caller, on average."""


class Caller:
    """One thread or task, and the calls it makes.

    Args:
        context: where it calls.
        name: its own.
        provider: that of its token provider. Each account has one of its own.
    """

    def __init__(self, context: ChaosContext, name: str, provider: str) -> None:
        self._stage = context
        self._name = name
        self._provider = provider
        self._numbers = random.Random(name)
        self._count = itertools.count(1)
        self.calls: list[Call] = []

    def thread(self, client: Any) -> None:
        """Call until the round is over, blocking."""
        while not self._stage.stopped:
            path, options, note = self._next()
            patience = self._patience()
            if patience is not None:
                options["timeout"] = patience
            try:
                note("response", client.get(path, **options))
            except Exception as error:  # noqa: BLE001 - the checks judge the kinds
                # A thread gives up by its timeout, which bounds its wait for a token, too.
                note(_kind(error) if patience is None else "cancelled", error)
            time.sleep(self._pause())

    async def task(self, client: Any) -> None:
        """The same, awaiting."""
        while not self._stage.stopped:
            await self._call(client)
            await anyio.sleep(self._pause())

    async def job(self, make: Callable[[], Any]) -> None:
        """Make one call with a client and an event loop of its own: both may end within a fetch."""
        async with make() as client:
            await self._call(client)

    async def _call(self, client: Any) -> None:
        path, options, note = self._next()
        with anyio.move_on_after(self._patience()) as scope:
            try:
                note("response", await client.get(path, **options))
            except Exception as error:  # noqa: BLE001 - as above
                note(_kind(error), error)
        if scope.cancelled_caught:
            note("cancelled", None)

    def jobs(self, backend: str, make: Callable[[], Any]) -> None:
        """Start one event loop after the other until the round is over."""
        while not self._stage.stopped:
            anyio.run(self.job, make, backend=backend)
            time.sleep(self._pause())

    def _patience(self) -> float | None:
        return self._numbers.uniform(0.001, 0.1) if self._numbers.random() < self._stage.impatience else None

    def _next(self) -> tuple[str, dict[str, Any], Callable[[Ended, Any], None]]:
        account = self._numbers.choice(["", "", *ACCOUNTS])
        options = {"extensions": token_extensions(account=account)} if account else {}
        provider = f"{self._provider}/{account}" if account else self._provider
        allowed = self._numbers.random() >= SHARE_OF_CLOSED
        name = f"{self._name}.{next(self._count)}"
        began = time.monotonic()

        def note(how: Ended, result: Any) -> None:
            status = result.status_code if how == "response" else None
            reason = result.extensions.get("prio_middleware.reason") if how == "response" else result
            said = f"{type(reason).__name__}: {reason}" if reason else ""
            self.calls.append(Call(name, began, time.monotonic(), how, status, said, allowed, provider, account))

        return f"{OPEN if allowed else CLOSED}?call={name}", options, note

    def _pause(self) -> float:
        failed = bool(self.calls) and self.calls[-1].how == "error"
        return self._numbers.expovariate(1 / (PAUSE_AFTER_FAILURE if failed else PAUSE))


def _kind(error: Exception) -> Ended:
    return "error" if isinstance(error, PrioError) else "stray"


class Crowd:
    """All callers of a round.

    Args:
        context: where they call.
        size: callers of each kind.
    """

    def __init__(self, context: ChaosContext, size: int) -> None:
        self._stage = context
        self._callers: list[Caller] = []
        self._left: list[str] = []
        self._threads = [
            *(threading.Thread(target=self._blocking, args=(library, size), name=f"chaos {library}") for library in LIBRARIES),
            *(
                threading.Thread(target=self._loop, args=(backend, size), name=f"chaos {backend}")
                for backend in ("asyncio", "trio")
            ),
            *(
                threading.Thread(target=self._jobs, args=(backend, library), name=f"chaos {library} jobs")
                for backend, library in (("asyncio", "httpx"), ("trio", "httpx2"))
            ),
        ]

    def start(self) -> None:
        """Begin to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[list[Call], list[str]]:
        """Let everyone finish. Returns the calls, and what the clients left busy."""
        self._stage.stopped = True
        for thread in self._threads:
            thread.join()
        return [call for caller in self._callers for call in caller.calls], self._left

    def _caller(self, library: str, kind: str, number: int) -> Caller:
        caller = Caller(self._stage, f"{library}-{kind}-{number}", self._settings(library).name)
        self._callers.append(caller)
        return caller

    def _settings(self, library: str) -> ClientSettings:
        return self._stage.settings(LIBRARIES.index(library))

    def _blocking(self, library: str, size: int) -> None:
        face = importlib.import_module(f"prio_middleware.{library}")
        with face.client(settings=self._settings(library), accounts=self._stage.accounts) as client:
            threads = [
                threading.Thread(target=self._caller(library, "thread", number).thread, args=(client,))
                for number in range(size)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait(lambda: not busy_connections(client))
            self._left += busy_connections(client)

    def _jobs(self, backend: str, library: str) -> None:
        face = importlib.import_module(f"prio_middleware.{library}")
        self._caller(library, f"{backend}-jobs", 0).jobs(
            backend, lambda: face.async_client(settings=self._settings(library), accounts=self._stage.accounts)
        )

    def _loop(self, backend: str, size: int) -> None:
        anyio.run(self._awaiting, backend, size, backend=backend)

    async def _awaiting(self, backend: str, size: int) -> None:
        before = tasks_alive(backend)
        async with anyio.create_task_group() as group:
            for library in LIBRARIES:
                group.start_soon(self._tasks, backend, library, size)
        self._left += await tasks_left(backend, before)

    async def _tasks(self, backend: str, library: str, size: int) -> None:
        face = importlib.import_module(f"prio_middleware.{library}")
        async with face.async_client(settings=self._settings(library), accounts=self._stage.accounts) as client:
            async with anyio.create_task_group() as group:
                for number in range(size):
                    group.start_soon(self._caller(library, backend, number).task, client)
            await await_(lambda: not busy_connections(client))
            self._left += busy_connections(client)
