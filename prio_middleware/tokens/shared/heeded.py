"""The refusals of the token endpoint that were learnt from a store: each counts once, and no longer than it said."""

from __future__ import annotations

LIMIT = 64
"""How many are remembered: the newest ones."""


class Heeded:
    """A store may keep a refusal for too long, on a replica whose clock is behind say, and somebody may write an old one back.

    So a process counts from when it saw one first, by its own monotonic clock. Changes are single steps of a dictionary: there
    is no lock.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def left(self, name: str, lifetime: float, now: float) -> float:
        """Seconds for which the refusal of that name still counts; 0: it does no more."""
        since = self._since.setdefault(name, now)
        if len(self._since) > LIMIT:
            self._since.pop(next(iter(self._since)), None)
        return max(0.0, since + lifetime - now)
