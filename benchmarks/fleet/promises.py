"""Promises about a fleet against measured figures, without I/O."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from prio_middleware.telemetry.providers import StoreReport

from .crossings import Crossing, Work, behind, outcomes, percentile, recovery

P99_LIMIT = 0.05
"""Seconds by which the calls' p99 may differ, before and after the store went away."""

POLL = 0.05
"""Seconds after which a process that waits for another's token looks for the first time."""

LEASE = 10.0
"""Seconds within which a dead leader is replaced."""

EXPIRIES = 5
"""Tokens that each process has to see expire while the store is away, at least."""

LEVEL = 0.02
"""Allowed difference of a ratio from 1, beyond its interval."""


class Promise(NamedTuple):
    """One line of the table."""

    scene: str
    what: str
    measured: str
    kept: bool | None
    """None: nothing was promised, it is only reported."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Time without the store, in seconds of the machine's monotonic clock."""

    gone: float
    back: float


class Slower(NamedTuple):
    """The p99 of calls before something and since, in seconds."""

    before: float
    since: float

    @property
    def by(self) -> float:
        """Growth factor."""
        return self.since - self.before

    def __str__(self) -> str:
        return f"{self.before * 1000:.0f} ms, {self.since * 1000:.0f} ms"


def of_start(scene: str, works: list[Work], *, shared: bool) -> Iterable[Promise]:
    """All begin in one moment."""
    calls = _calls(works)
    requests, taken = len(_token_requests(works)), max(call.ended for call in calls) - min(call.began for call in calls)
    yield Promise(scene, "token requests", f"{requests}", requests == 1 if shared else None)
    yield from _none_failed(scene, works)
    yield Promise(scene, "to the last answer", f"{taken:.2f} s", None)


def of_store(scene: str, reports: list[StoreReport]) -> Promise:
    """True if the store answered in time. If not, a process fetches for itself."""
    failed = Counter(report.last_failure for report in reports if report.failures)
    words = ", ".join(f"{word}: {count}" for word, count in failed.items())
    return Promise(scene, "processes that the store did not answer in time", words or "none", None)


def of_revocation(scene: str, works: list[Work]) -> Iterable[Promise]:
    """The token is revoked under load."""
    asked = _token_requests(works)
    token_at = max((each.ended for each in asked), default=0.0)
    calls = [each for work in works for each in work.sent if not each.for_token]
    taken = [found for work in works if (found := recovery(work.sent)) is not None]
    late = [found for work in works if (found := behind(work.sent, token_at)) is not None]
    trip, refusals = percentile(calls, 0.99), outcomes(calls)["403"]
    yield Promise(scene, "token requests", f"{len(asked)}", len(asked) == 1)
    yield from _none_failed(scene, works)
    yield Promise(scene, "processes that saw a refusal", f"{len(taken)}, {refusals} answers 403 in all", None)
    if taken:
        spread = f"median {statistics.median(taken) * 1000:.0f} ms, at most {max(taken) * 1000:.0f} ms"
        yield Promise(scene, "from a process's first refusal to its next answer", spread, None)
        limit = f"at most {max(late) * 1000:.0f} ms; p99 of a call {trip * 1000:.0f} ms, first look {POLL * 1000:.0f} ms"
        yield Promise(scene, "… from when the new token was there", limit, max(late) <= trip + POLL)


def of_death(scene: str, works: list[Work], killed_at: float, token_requests: int) -> Iterable[Promise]:
    """The leader is killed while its token request is under way."""
    taken = max(call.ended for call in _calls(works)) - killed_at
    yield Promise(scene, "token requests, the dead one's included", f"{token_requests}", token_requests == 2)
    yield from _none_failed(scene, works)
    yield Promise(scene, "from the kill to the last answer", f"{taken:.2f} s (lease {LEASE:.0f} s)", taken <= LEASE + 1)


def of_outage(scene: str, works: list[Work], others: list[Work], outage: Outage) -> Iterable[Promise]:
    """The store is killed in the middle, and comes back empty. What slows the ``others``, who never had one, is the machine."""
    slower, elsewhere = _slower(works, outage), _slower(others, outage)
    fewest = min(sum(outage.gone <= each.began < outage.back for each in work.sent if each.for_token) for work in works)
    yield from _none_failed(scene, [*works, *others])
    yield Promise(scene, "expiries while it was away, in each process", f"at least {fewest}", fewest >= EXPIRIES)
    yield Promise(scene, "p99 of a call, before and since", str(slower), slower.by - max(0.0, elsewhere.by) <= P99_LIMIT)
    yield Promise(scene, "… in processes that never had a store", str(elsewhere), None)


def of_steady(scene: str, middle: float, low: float, high: float) -> Iterable[Promise]:
    """A call with a fresh token, with a store and without."""
    yield Promise(scene, "time of a call, with a store to without", f"{middle:.3f} ({low:.3f} to {high:.3f})", low <= 1 + LEVEL)


def _none_failed(scene: str, works: list[Work]) -> Iterable[Promise]:
    found = outcomes(_calls(works))
    failed = {outcome: count for outcome, count in found.items() if outcome != "200"}
    yield Promise(scene, "calls that failed", f"{failed or 'none'} of {found.total():,}", not failed)


def _slower(works: list[Work], outage: Outage) -> Slower:
    before, since = ([call for call in _calls(works) if (call.began >= outage.gone) is after] for after in (False, True))
    return Slower(percentile(before, 0.99), percentile(since, 0.99))


def _calls(works: list[Work]) -> list[Crossing]:
    return [call for work in works for call in work.calls]


def _token_requests(works: list[Work]) -> list[Crossing]:
    return [each for work in works for each in work.sent if each.for_token]
