"""Learns from refusals which of them a new token cures."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .stakes import Evidence, Stakes

LESSON: Final = 300.0
"""Seconds that a first lesson holds. Every further one at the same place holds twice as long."""

LONGEST_LESSON: Final = 3600.0
"""Seconds that a lesson holds at most: then the place gets another chance, for rights may have been granted."""

PLACES: Final = 4096
"""Places that are remembered: the most recently used ones."""

CODES: Final = 8
"""Error codes that are remembered for each place."""


class Place(NamedTuple):
    """Where a call goes: the query is no part of it."""

    method: str
    host: bytes
    path: str


@dataclass(slots=True)
class _Lesson:
    """What one error code has taught at one place.

    Attributes:
        refused: serial of the token that was refused first, or of the newest that taught something.
        useless: serial of the newest that taught something.
        lost: how many did.
        until: until when no new token is expected to help here.
    """

    refused: int
    useless: int = 0
    lost: int = 0
    until: float = float("-inf")

    def learn(self, serial: int, now: float, forgiven: int) -> None:
        """A newer token did not help. A thousand calls that find this out with the same token find it out once."""
        if serial == self.useless:
            return
        self.refused = self.useless = serial
        self.lost += 1
        if self.lost > forgiven:
            self.until = now + min(LESSON * 2.0 ** (self.lost - forgiven - 1), LONGEST_LESSON)


@dataclass(slots=True)
class _Record:
    """What is known of one place: whether it ever answered, and what its refusals taught, by error code."""

    worked: bool = False
    lessons: dict[str | None, _Lesson] = field(default_factory=dict)

    def lesson(self, code: str | None, serial: int) -> _Lesson:
        if code not in self.lessons and len(self.lessons) >= CODES:
            del self.lessons[next(iter(self.lessons))]
        return self.lessons.setdefault(code, _Lesson(serial))


class RefusalMemory:
    """Decides which refusals are worth a new token. It hears of every refusal, and of successes.

    A refusal has two explanations: the token is dead, or this call is refused whatever the token. A new token cures only the
    first, and the answers look alike. So asking for one is a bet, and how bets end is what there is to learn:

    - Where the token was given up already, trying again costs no token request: always do.
    - A place that has answered before and now refuses: that is most likely the token. If two new ones did not help, it is not,
      and for a while this place is not believed. (Two, because a token may be revoked as soon as it is made.)
    - A place that never answered may be closed to this client. If a second token is refused there, that is the lesson, and for
      a while it is not tried again.
    - Before that lesson a bet may be due: the token may be dead after all. But a client may know hundreds of closed places, so
      few such bets may be lost in a minute: see :class:`Stakes`.

    Serials rise: the larger, the newer the token. Times are seconds of the caller's clock. Not thread-safe.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[Place, _Record] = OrderedDict()
        self._stakes = Stakes()
        self._given_up = 0

    def accepted(self, place: Place, serial: int, *, second: bool = False) -> None:
        """A call was answered. ``second``: it had been refused before, with an older token."""
        record = self._recall(place)
        if second:
            self._stakes.won(serial)
        if second or not record.worked:
            record.lessons.clear()
        record.worked = True
        if serial > self._given_up:
            self._stakes.token_works()

    def refused(self, place: Place, code: str | None, serial: int, now: float, *, second: bool = False) -> bool:
        """A call was refused. Returns whether to try it again, with a newer token than ``serial``."""
        record = self._recall(place)
        lesson = record.lesson(code, serial)
        if second or (serial > lesson.refused and not record.worked):
            lesson.learn(serial, now, forgiven=int(record.worked))
            return False
        learnt = now < lesson.until
        if learnt and not record.worked:
            return False
        if serial <= self._given_up:
            return True
        if self._stakes.bet(serial, now, _evidence(worked=record.worked, learnt=learnt)):
            self._given_up = serial
            return True
        return False

    def _recall(self, place: Place) -> _Record:
        record = self._records.pop(place, None) or _Record()
        self._records[place] = record
        if len(self._records) > PLACES:
            self._records.popitem(last=False)
        return record


def _evidence(*, worked: bool, learnt: bool) -> Evidence:
    if not worked:
        return Evidence.WEAK
    return Evidence.SPENT if learnt else Evidence.STRONG
