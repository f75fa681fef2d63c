"""A process of a fleet: it does what lines of JSON on its input say, and answers each with one."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prio_middleware import PrioError, build
from prio_middleware.httpx import async_client, client
from prio_middleware.settings import ClientSettings

_now = time.time

PATH = "/products/1004"


class Worker:
    """A client, and what it can be told to do."""

    def begin(self, settings: dict[str, Any], clock: float) -> dict[str, Any]:
        """Start again without a token, with a wall clock that is wrong by ``clock`` seconds."""
        time.time = lambda: _now() + clock
        build.forget()
        self.settings = ClientSettings(**settings)
        self.client = client(settings=self.settings)
        return {}

    def call(self, threads: int = 1, calls: int = 1, pause: float = 0.0, until: str = "") -> dict[str, Any]:
        """Make calls from threads that begin together: at least ``calls`` each, and more until the file ``until`` exists."""
        together = threading.Barrier(threads)
        seconds: list[float] = []

        def one() -> str:
            start = time.perf_counter()
            try:
                return str(self.client.get(PATH).status_code)
            except PrioError as error:
                return type(error).__name__
            finally:
                seconds.append(time.perf_counter() - start)
                time.sleep(pause)

        def several(_: int) -> Counter[str]:
            together.wait()
            made: Counter[str] = Counter()
            while made.total() < calls or (until and not Path(until).exists()):
                made[one()] += 1
            return made

        with ThreadPoolExecutor(threads) as pool:
            statuses = sum(pool.map(several, range(threads)), Counter[str]())
        return {"statuses": statuses, "seconds": seconds}

    def acall(self, backend: str, tasks: int) -> dict[str, Any]:
        """Make one call in each task of a new event loop."""
        import anyio

        statuses: Counter[str] = Counter()

        async def everything() -> None:
            async with async_client(settings=self.settings) as caller, anyio.create_task_group() as group:

                async def one() -> None:
                    statuses[str((await caller.get(PATH)).status_code)] += 1

                for _ in range(tasks):
                    group.start_soon(one)

        anyio.run(everything, backend=backend)
        return {"statuses": statuses}

    def fork(self) -> dict[str, Any]:
        """A child that inherits all of this, calls once and says what came of it, before its parent answers."""
        child = os.fork()
        if child == 0:
            self.client = client(settings=self.settings)  # Connections of calls are not what this is about.
            answer = self.call()
            listens = any(thread.name == "prio_middleware.subscriber" for thread in threading.enumerate())
            say({**answer, **self.report(), "listens": listens})
            os._exit(0)
        return {"exit": os.waitpid(child, 0)[1]}

    def report(self) -> dict[str, Any]:
        """Report on the token store and on the token."""
        provider: Any = build.pipeline_for(self.settings).provider
        token = provider.report()
        return dataclasses.asdict(provider.store_report()) | {"has_token": token.is_usable, "expires_in": token.expires_in}


def main() -> None:
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        say(getattr(worker, order.pop("do"))(**order))


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


main()
