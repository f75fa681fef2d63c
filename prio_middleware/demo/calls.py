"""The calls of a scenario: handed out one by one, to threads and tasks alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator


class Calls:
    """An iterator over the paths to call, for any number of callers at once, that takes down how their calls ended.

    Args:
        paths: below the base URL; as many as there are to be calls.
        tick: told of every call that ended.

    Attributes:
        made: calls that ended.
        failures: what became of those that ended without an answer.
        started, ended: moments of ``time.perf_counter()``: of the beginning, and of the end of the latest call.
        over: no more are handed out.
    """

    def __init__(self, paths: Iterable[str], tick: Callable[[], None]) -> None:
        self._paths = iter(paths)
        self._tick = tick
        self._lock = threading.Lock()
        self.made = 0
        self.failures: list[str] = []
        self.started = self.ended = time.perf_counter()
        self.over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        with self._lock:
            if self.over:
                raise StopIteration
            return next(self._paths)

    def end(self, failure: Exception | None = None) -> None:
        """A call ended: with an answer, or with ``failure``."""
        with self._lock:
            self.made += 1
            self.ended = time.perf_counter()
            if failure:
                self.failures.append(f"{type(failure).__name__}: {failure}")
        self._tick()

    def stop(self) -> None:
        """Hand out no more."""
        self.over = True

    def pace(self) -> str:
        """How many there were, and how fast."""
        seconds = self.ended - self.started
        return f"{self.made:,} calls in {seconds:.1f} s, {self.made / seconds:,.0f} a second."

    def notes(self) -> tuple[str, ...]:
        """How many calls had no answer, and why the first of them had none."""
        return (f"{len(self.failures):,} calls had no answer. {self.failures[0]}",) if self.failures else ()


def marked(path: str, number: int) -> Iterator[str]:
    """``number`` times the same path, each with a query of its own to tell the calls apart."""
    return (f"{path}?call={call}" for call in range(number))


def until(path: str, seconds: float) -> Iterator[str]:
    """The same path again and again, for so many seconds."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield path
