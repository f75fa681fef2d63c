"""Counters of the clients of this process, without OpenTelemetry."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar
from weakref import WeakSet, WeakValueDictionary, ref

from .._util.clock import Clock, now
from .names import FAILURES

MINUTE = 60  # Seconds for which an event counts.
_BUCKETS = MINUTE + 1  # An event at the end of its second still counts 60 s later, so one more bucket than seconds is needed.


class RollingMinute:
    """Count of the events of the last 60 s, in buckets of one second. Exact to one second, and never too low.

    Adding takes no lock, because a fork could copy it locked. The global interpreter lock keeps other threads out between
    reading the clock and the last step.
    """

    def __init__(self, clock: Clock = now) -> None:
        self._clock = clock
        self._seconds: list[int] = []  # Most clients have no such event, and there may be hundreds.
        self._counts: list[int] = []

    def add(self, events: int = 1) -> None:
        second = int(self._clock())
        slot = second % _BUCKETS
        if not self._seconds:
            self._counts, self._seconds = [0] * _BUCKETS, [-_BUCKETS] * _BUCKETS
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += events

    def count(self) -> int:
        """Return the number of events within the last minute."""
        return sum(events for _, events in self._recent(self._clock()))

    def until_below(self, limit: int) -> float:
        """Return the seconds until the count falls below ``limit`` if no event is added; 0 if it is below now."""
        moment = self._clock()
        recent = sorted(self._recent(moment))
        left = sum(events for _, events in recent)
        wait = 0.0
        for second, events in recent:
            if left < limit:
                break
            left -= events
            wait = second + _BUCKETS - moment
        return wait

    def clear(self) -> None:
        self._counts, self._seconds = [], []

    def _recent(self, moment: float) -> list[tuple[int, int]]:
        """Return the seconds that still count, each with its number of events."""
        latest = int(moment)
        pairs = zip(self._seconds, self._counts, strict=True)
        # A test may move the clock back: events later than now no longer count.
        return [(second, events) for second, events in pairs if latest - MINUTE <= second <= latest and events]


ACQUISITIONS: Final[tuple[str, ...]] = ("cached", "fetched", "waited", "cooling_down", "failed")
"""Outcomes of a call's attempt to get a token: from the cache, by its own fetch, by waiting for another call's fetch; or no
token, because of the cool-down after a failed fetch, or because the fetch failed."""

BLOCK_REASONS: Final[tuple[str, ...]] = (
    "plain_http",
    "unsupported_protocol",
    "foreign_origin",
    "caller_authorization",
    "cooling_down",
    "budget",
)
"""Reasons for which this process blocks a request before it is sent."""

REAUTHENTICATIONS: Final[tuple[str, ...]] = (
    "succeeded",
    "rejected",
    "token_unavailable",
    "unchanged",
    "body_not_replayable",
    "budget",
    "failed",
    "not_attempted",
)
"""Outcomes of a re-authentication. ``not_attempted``: the API answered 403 without an error code, which the rules ignore."""

IGNORED_403_LOG_SECONDS: Final = 60.0  # Seconds after the log line about an ignored 403 during which no other is logged.
FETCHES_KEPT: Final = 20  # Number of the last fetches that each client keeps for status and snapshots.
NAMES_LIMIT: Final = 100  # Default number of clients that are counted by name. All others are counted together, as ``OTHER``.
OTHER: Final = "_other"


@dataclass(frozen=True, slots=True)
class FetchRecord:
    """One finished fetch of a token.

    Attributes:
        at: end of the fetch, in seconds since the epoch.
        duration: seconds.
        reason: initial, expiring, rejected or forced.
        outcome: ``ok``, or the type of the error.
        attempts: number of token requests.
        source: endpoint or shared.
    """

    at: float
    duration: float
    reason: str
    outcome: str
    attempts: int
    source: str


_all_counters: WeakSet[ClientCounters] = WeakSet()  # All counters of this process, for the fork hook only.


FAILED_STATUSES: Final = tuple(status.value for status in HTTPStatus if status >= 400)


class ClientCounters:
    """Counters of one client. The hot path adds one to ``acquisitions`` and one to ``answered``.

    Adding to an existing dictionary entry needs no lock: the global interpreter lock keeps other threads out. A forked child
    starts from zero: at the fork, or if the fork ran no hooks of Python, at the first :meth:`check_fork`.

    Attributes, besides those of :class:`~.snapshot.ClientSnapshot`:
        answered: responses by standard status below 400. The hot path knows no others.
        other_responses: all other responses, by status.
        call_errors: calls without a response, by error type.
        failed_requests: failed token requests, by error type. Each attempt of a fetch counts.
        names_limit: number of clients that a meter provider reports by name.
        evictions: tokens that were dropped because the token cache was full.
        retired: True after the registry dropped these counters: no meter provider reports them.
    """

    def __init__(self, name: str, names_limit: int = NAMES_LIMIT) -> None:
        self.name = name
        self.names_limit = names_limit
        self.acquisitions: dict[str, int] = dict.fromkeys(ACQUISITIONS, 0)
        self.answered: dict[int, int] = {status.value: 0 for status in HTTPStatus if status < 400}
        self.other_responses: dict[int, int] = {}
        self.blocked: dict[str, int] = dict.fromkeys(BLOCK_REASONS, 0)
        self.reauthentications: dict[str, int] = dict.fromkeys(REAUTHENTICATIONS, 0)
        self.call_errors: dict[str, int] = dict.fromkeys(FAILURES, 0)
        self.failed_requests: dict[str, int] = dict.fromkeys(FAILURES, 0)
        self.fetches_by_reason: dict[str, int] = {}
        self.evictions = 0
        self.waiting = 0
        self.client_errors = RollingMinute()
        self.client_error_limit: int | None = None
        self.fetches: tuple[FetchRecord, ...] = ()
        self.retired = False
        self._providers: dict[int, ref[Any]] = {}  # A WeakValueDictionary takes three times the memory, for each account.
        self._ignored_403_logged_at = float("-inf")
        self._pid = os.getpid()
        _all_counters.add(self)

    def add_provider(self, provider: object) -> None:
        """Report the state of ``provider`` with this client, for as long as the provider is in use."""
        key, pop = id(provider), self._providers.pop
        self._providers[key] = ref(provider, lambda _: pop(key, None))

    def providers(self) -> list[object]:
        """Return the client's token providers that are in use."""
        return [provider for reference in list(self._providers.values()) if (provider := reference()) is not None]

    def count_other_response(self, status: int) -> None:
        """Count a response with a status that is not in ``answered``. Ignore what is no status (RFC 9110 §15)."""
        if 100 <= status <= 599:
            self.other_responses[status] = self.other_responses.get(status, 0) + 1
            self.count_client_error(status)

    def count_client_error(self, status: int) -> None:
        """Count ``status`` towards the 4xx responses of the last minute, if it is one."""
        if 400 <= status <= 499:
            self.client_errors.add()

    def count_ignored_403(self, now: float) -> bool:
        """Count a 403 without an error code that leads to no retry. Return True if it is to be logged: once in 60 s."""
        self.reauthentications["not_attempted"] += 1
        if now - self._ignored_403_logged_at < IGNORED_403_LOG_SECONDS:
            return False
        self._ignored_403_logged_at = now
        return True

    def count_blocked(self, reason: str) -> None:
        """Count a request that was blocked before it was sent."""
        self.blocked[reason] = self.blocked.get(reason, 0) + 1

    def count_fetch(self, duration: float, reason: str, outcome: str, attempts: int, source: str) -> None:
        self.fetches_by_reason[reason] = self.fetches_by_reason.get(reason, 0) + 1
        record = FetchRecord(time.time(), duration, reason, outcome, attempts, source)
        self.fetches = (record, *self.fetches[: FETCHES_KEPT - 1])

    def responses(self) -> dict[int, int]:
        """Return all responses, by status, with a 0 for each standard status that did not occur."""
        return self.answered | dict.fromkeys(FAILED_STATUSES, 0) | self.other_responses

    def check_fork(self) -> None:
        """Start from zero if this process was forked since the last check."""
        pid = os.getpid()
        if pid != self._pid:
            self._pid = pid
            self._reset()

    def _reset(self) -> None:
        # Clients hold the dictionaries, so these stay the same objects.
        by_name = (self.acquisitions, self.blocked, self.reauthentications, self.call_errors, self.failed_requests)
        tables: list[dict[Any, int]] = [*by_name, self.fetches_by_reason, self.answered, self.other_responses]
        for counts in tables:
            counts.update(dict.fromkeys(counts, 0))
        self.evictions = self.waiting = 0
        self._ignored_403_logged_at = float("-inf")
        self.client_errors.clear()
        self.fetches = ()


class MetricsRegistry:
    """Counters by client name, which outlive the clients.

    Within one registry, clients of one name share their counts. ``build`` owns the registry of all clients made from
    settings. A pipeline made by hand counts for itself, unless it is given a registry.

    Attributes:
        limit: number of clients that are counted by name; all others share the name ``_other``. A change applies to the
            clients that are made later.
    """

    def __init__(self, limit: int = NAMES_LIMIT) -> None:
        self.limit = limit
        self._clients: dict[str, ClientCounters] = {}

    def client(self, name: str) -> ClientCounters:
        """Return the counters of the client called ``name``."""
        if name not in self._clients and len(self._clients) >= self.limit:
            name = OTHER
        return self._clients.get(name) or self._clients.setdefault(name, ClientCounters(name, self.limit))

    def clients(self) -> list[ClientCounters]:
        return list(self._clients.values())

    def clear(self) -> None:
        """Drop all counters: new clients start from zero. An existing client still counts, but no meter provider reports it."""
        for counters in self.clients():
            counters.retired = True
        self._clients.clear()


def client_name(provider: object) -> str:
    """Return the name of the client that ``provider`` serves, or ``default`` if it does not tell."""
    name = getattr(provider, "client", None)
    return name if isinstance(name, str) else "default"


T = TypeVar("T")


def living(references: WeakValueDictionary[int, T]) -> list[T]:
    """Return the values that are still alive. Safe while other threads add some."""
    return [value for reference in references.valuerefs() if (value := reference()) is not None]


with contextlib.suppress(AttributeError):  # Platforms without fork have no hook.
    os.register_at_fork(after_in_child=lambda: set(map(ClientCounters.check_fork, list(_all_counters))))
