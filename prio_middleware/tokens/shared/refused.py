"""The generations that were refused here, by the name of their token: to be dropped in the store too."""

from __future__ import annotations

from collections.abc import Mapping

LIMIT = 64
"""How many refused generations are remembered: the newest ones."""

NAMES_LIMIT = 1024
"""Of how many generations the name is known: the newest ones."""

LONGEST = 86_400.0
"""Seconds for which one is remembered at most."""


class Refused:
    """Each is told of again with every look, until its token would have expired: a store may forget, after a failover say.

    Changes are single steps of a dictionary: there is no lock.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._until: dict[str, float] = {}

    def know(self, generation: str, name: str) -> None:
        """Others may have that token too, under this name."""
        self._names[generation] = name
        if len(self._names) > NAMES_LIMIT:
            self._names.pop(next(iter(self._names)), None)

    def add(self, generation: str, until: float) -> None:
        """It was refused, and would have been good until then, in seconds of a monotonic clock.

        One that nobody else can have is not remembered.
        """
        if generation not in self._names:
            return
        self._until[generation] = until
        if len(self._until) > LIMIT:
            self._until.pop(next(iter(self._until)), None)

    def lives(self, name: str, now: float) -> Mapping[str, float]:
        """Those under that name, with the seconds for which they would still be good."""
        for generation, until in list(self._until.items()):
            if until <= now:
                self._until.pop(generation, None)
        return {
            generation: min(until - now, LONGEST)
            for generation, until in list(self._until.items())
            if self._names.get(generation) == name
        }
