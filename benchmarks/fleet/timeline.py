"""Virtual time and its planned events."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Callback = Callable[[], None]


class Timeline:
    """A queue of events, and the clock that jumps from one event to the next. Simultaneous events keep their planned order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def at(self, moment: float, callback: Callback) -> None:
        """Plan an event. A moment in the past counts as now."""
        heapq.heappush(self._queue, (max(moment, self.now), next(self._order), callback))

    def after(self, seconds: float, callback: Callback) -> None:
        """Plan an event that many seconds from now."""
        self.at(self.now + seconds, callback)

    def run(self, until: float) -> None:
        """Run the events before ``until``, and set the clock to it."""
        while self._queue and self._queue[0][0] < until:
            self.now, _, callback = heapq.heappop(self._queue)
            callback()
        self.now = until
