"""What each client of this process did, counted: plain dictionaries whose keys are there from the start."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakSet, ref

from .rolling_minute import RollingMinute

ACQUISITIONS: Final[tuple[str, ...]] = ("fresh", "led", "joined", "held_back", "failed")
"""How a call came by its token, or why it did not."""

REJECTIONS: Final[tuple[str, ...]] = ("plain_http", "foreign_origin", "held_back", "budget")
"""Why a request was refused here."""

REAUTHENTICATIONS: Final[tuple[str, ...]] = (
    "succeeded",
    "refused",
    "token_unavailable",
    "body_not_replayable",
    "budget",
    "failed",
)
"""How the second try after a refusal ended."""

FETCHES_KEPT: Final = 20
"""How many of the last fetches are kept to look at."""

NAMES_LIMIT: Final = 100
"""How many clients are counted by name; all further ones are counted together, as ``OTHER``."""

OTHER: Final = "_other"


@dataclass(frozen=True, slots=True)
class FetchSeen:
    """One fetch of a token.

    Attributes:
        at: when it ended, in seconds since the epoch.
        duration: seconds that it took.
        reason: initial, expiring, rejected or forced.
        outcome: ``ok``, or the type of the error.
        attempts: how many token requests it made.
        source: endpoint or shared.
    """

    at: float
    duration: float
    reason: str
    outcome: str
    attempts: int
    source: str


class Tally:
    """The counts of one client, which outlive it. The hot path adds one to ``acquisitions`` and one to ``answered``.

    Adding to an entry that is there is not interrupted by another thread, as long as there is a global interpreter lock.

    Attributes:
        name: the client's name.
        acquisitions: by :data:`ACQUISITIONS`.
        answered: responses by status, those that go without saying. The hot path knows no others.
        refused: responses by status, all others.
        rejected: requests that were refused here, by reason.
        reauthentications: by outcome.
        waiting: callers who wait for somebody else's fetch now.
        client_errors: 4xx answers, the token endpoint's included, within the last minute.
        client_error_limit: how many of these the server takes in a minute; None: it is not known.
        fetches: the last ones, newest first.
        is_global: some of its clients use the global meter provider.
        audience: who reports it to the other meter providers that its clients were given.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.acquisitions = _zeros(ACQUISITIONS)
        self.answered = {status.value: 0 for status in HTTPStatus if status < 400}
        self.refused = {status.value: 0 for status in HTTPStatus if status >= 400}
        self.rejected = _zeros(REJECTIONS)
        self.reauthentications = _zeros(REAUTHENTICATIONS)
        self.waiting = 0
        self.client_errors = RollingMinute()
        self.client_error_limit: int | None = None
        self.fetches: deque[FetchSeen] = deque(maxlen=FETCHES_KEPT)
        self.is_global = False
        self.audience: WeakSet[object] = WeakSet()
        self._providers: dict[int, ref[object]] = {}

    def know(self, provider: object) -> None:
        """The client has this token provider, as long as somebody uses it."""
        number, providers = id(provider), self._providers
        providers[number] = ref(provider, lambda _: providers.pop(number, None))

    def providers(self) -> list[object]:
        """The client's token providers that are in use."""
        known = (reference() for reference in list(self._providers.values()))
        return [provider for provider in known if provider is not None]

    def note_refused(self, status: int) -> None:
        """A response came whose status is none of ``answered``. What is no status at all (RFC 9110 §15) is not counted."""
        if 100 <= status <= 599:
            self.refused[status] = self.refused.get(status, 0) + 1
            self.note_status(status)

    def note_status(self, status: int) -> None:
        """Some answer of the server had this status."""
        if 400 <= status <= 499:
            self.client_errors.add()

    def note_rejected(self, reason: str) -> None:
        """A request was refused here."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def note_fetch(self, duration: float, reason: str, outcome: str, attempts: int, source: str) -> None:
        """A fetch has just ended."""
        self.fetches.appendleft(FetchSeen(time.time(), duration, reason, outcome, attempts, source))

    def responses(self) -> dict[int, int]:
        """All responses, by status."""
        return self.answered | self.refused

    def start_anew(self) -> None:
        """Nothing happened yet. The dictionaries stay the same: whoever counts has them at hand."""
        for counts in (self.acquisitions, self.answered, self.refused, self.rejected, self.reauthentications):
            _zero(counts)
        self.waiting = 0
        self.client_errors.clear()
        self.fetches.clear()


class Ledger:
    """The tallies of this process.

    A forked child starts from zero. Python's fork hooks see to that where they are run; elsewhere the child notices on its
    first slow path.
    """

    def __init__(self, limit: int = NAMES_LIMIT) -> None:
        self._limit = limit
        self._tallies: dict[str, Tally] = {}
        self._pid = os.getpid()

    def of(self, name: str) -> Tally:
        """The tally of the client called ``name``."""
        self.look_for_fork()
        if name not in self._tallies and len(self._tallies) >= self._limit:
            name = OTHER
        return self._tallies.get(name) or self._tallies.setdefault(name, Tally(name))

    def tallies(self) -> Iterable[Tally]:
        """All of them."""
        self.look_for_fork()
        return list(self._tallies.values())

    def look_for_fork(self) -> None:
        """Start from zero if this process was forked from the one that counted so far."""
        pid = os.getpid()
        if pid != self._pid:
            self._pid = pid
            for tally in list(self._tallies.values()):
                tally.start_anew()


def name_of(provider: object) -> str:
    """The name of the client that ``provider`` serves. One of somebody else's need not tell."""
    name = getattr(provider, "client", None)
    return name if isinstance(name, str) else "default"


LEDGER: Final = Ledger()

with contextlib.suppress(AttributeError):  # Where there is no fork there is no hook.
    os.register_at_fork(after_in_child=LEDGER.look_for_fork)


def _zeros(keys: tuple[str, ...]) -> dict[str, int]:
    return dict.fromkeys(keys, 0)


def _zero(counts: dict[Any, int]) -> None:
    counts.update(dict.fromkeys(counts, 0))
