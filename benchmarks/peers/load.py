"""Many callers at once: threads or tasks, as the client has it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

from .place import Place
from .subject import Colour, Maker

FAILED = 0
"""The status of a call that ended in an error."""

TICK = 0.001
"""Seconds for which the bystander sleeps."""


@dataclass(slots=True)
class Answers:
    """Outcome of the calls.

    Attributes:
        calls: the status of each, when it began, and the seconds that it took.
        start: when all callers did, in seconds of ``time.perf_counter()``.
        seconds: from there to the last answer.
        stall: the longest that a task which needs no token had to wait for its event loop, in seconds.
    """

    calls: list[tuple[int, float, float]] = field(default_factory=list)
    start: float = 0.0
    seconds: float = 0.0
    stall: float = 0.0

    def record(self, status: int, start: float) -> None:
        """A call that began at ``start`` has ended."""
        self.calls.append((status, start, time.perf_counter() - start))

    @property
    def lost(self) -> int:
        """Calls that did not get what they asked for."""
        return sum(status != 200 for status, _, _ in self.calls)


def load(maker: Maker, place: Place, colour: Colour, callers: Sequence[Iterable[str]], *, warm: bool = False) -> Answers:
    """Start all callers together, each with the paths it calls one after the other.

    Args:
        maker: makes the client that they share.
        place: where it calls.
        colour: threads, or tasks of asyncio.
        callers: the paths of each.
        warm: have a token first, and count from there.
    """
    with _no_garbage_collection():
        if colour == "sync":
            return _threads(maker, place, callers, warm=warm)
        return asyncio.run(_tasks(maker, place, callers, warm=warm))


def _threads(maker: Maker, place: Place, callers: Sequence[Iterable[str]], *, warm: bool) -> Answers:
    client, answers, ready = maker(place), Answers(), threading.Barrier(len(callers) + 1)
    if warm and place.api:
        client.call(place.path)
        place.api.reset_counts()

    def work(paths: Iterable[str]) -> None:
        ready.wait()
        for path in paths:
            start = time.perf_counter()
            try:
                status = client.call(path)
            except Exception:  # noqa: BLE001 - a peer may raise anything; that the call is lost is what counts
                status = FAILED
            answers.record(status, start)

    threads = [threading.Thread(target=work, args=(paths,)) for paths in callers]
    for thread in threads:
        thread.start()
    ready.wait()
    answers.start = time.perf_counter()
    for thread in threads:
        thread.join()
    answers.seconds = time.perf_counter() - answers.start
    client.close()
    return answers


async def _tasks(maker: Maker, place: Place, callers: Sequence[Iterable[str]], *, warm: bool) -> Answers:
    client, answers = maker(place), Answers()
    if warm and place.api:
        await client.call(place.path)
        place.api.reset_counts()

    async def work(paths: Iterable[str]) -> None:
        for path in paths:
            start = time.perf_counter()
            try:
                status = await client.call(path)
            except Exception:  # noqa: BLE001 - see above
                status = FAILED
            answers.record(status, start)

    bystander = asyncio.create_task(_stand_by(answers))
    await asyncio.sleep(0)
    answers.start = time.perf_counter()
    await asyncio.gather(*(work(paths) for paths in callers))
    answers.seconds = time.perf_counter() - answers.start
    bystander.cancel()
    await client.close()
    return answers


async def _stand_by(answers: Answers) -> None:
    while True:
        start = time.perf_counter()
        await asyncio.sleep(TICK)
        answers.stall = max(answers.stall, time.perf_counter() - start - TICK)


@contextlib.contextmanager
def _no_garbage_collection() -> Generator[None]:
    """With thousands of tasks alive, half the time would go into looking through all of them."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
