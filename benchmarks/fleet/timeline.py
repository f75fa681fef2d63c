"""Virtual time: what happens, in order."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Happens = Callable[[], None]


class Timeline:
    """A queue of moments, and the clock that jumps from one to the next. Equal moments keep the order they were planned in."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Happens]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        """The clock, in seconds."""
        return self.now

    def at(self, moment: float, happens: Happens) -> None:
        """Plan something; what is past already happens next."""
        heapq.heappush(self._queue, (max(moment, self.now), next(self._order), happens))

    def after(self, seconds: float, happens: Happens) -> None:
        """The same, from now."""
        self.at(self.now + seconds, happens)

    def run(self, until: float) -> None:
        """Let everything happen that is planned before a moment, and be at that moment."""
        while self._queue and self._queue[0][0] < until:
            self.now, _, happens = heapq.heappop(self._queue)
            happens()
        self.now = until
