"""Assertions about the logs of a fleet, without I/O."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from prio_middleware.telemetry.providers import StoreReport

from .request_log import LoggedRequest, WorkerLog, delay_after_token, outcomes, percentile, recovery_seconds

P99_LIMIT = 0.05
"""Seconds by which the p99 of calls may grow while the store is down."""

POLL = 0.05
"""Seconds after which a process that waits for another's token first reads the store."""

LEASE = 10.0
"""Seconds within which a killed leader is replaced."""

EXPIRIES = 5
"""Tokens of each process that have to expire while the store is down, at least."""

LEVEL = 0.02
"""Allowed difference of a ratio from 1, beyond its interval."""


class Assertion(NamedTuple):
    """One line of the table: a measured value, and the result of its check."""

    scenario: str
    what: str
    measured: str
    passed: bool | None
    """None for a value that is reported only."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Start and end of the store's outage, in seconds of the machine's monotonic clock."""

    gone: float
    back: float


class P99Change(NamedTuple):
    """p99 of calls before and after an event, in seconds."""

    before: float
    after: float

    @property
    def growth(self) -> float:
        """Difference in seconds."""
        return self.after - self.before

    def __str__(self) -> str:
        return f"{self.before * 1000:.0f} ms, {self.after * 1000:.0f} ms"


def check_start(scenario: str, logs: list[WorkerLog], *, shared: bool) -> Iterable[Assertion]:
    """Check the simultaneous start of all workers."""
    calls = _calls(logs)
    requests, taken = len(_token_requests(logs)), max(call.ended for call in calls) - min(call.began for call in calls)
    yield Assertion(scenario, "token requests", f"{requests}", requests == 1 if shared else None)
    yield from _check_no_failure(scenario, logs)
    yield Assertion(scenario, "to the last response", f"{taken:.2f} s", None)


def check_store(scenario: str, reports: list[StoreReport]) -> Assertion:
    """Count the workers that the store did not answer in time. Such a worker fetches its own token."""
    failed = Counter(report.last_failure for report in reports if report.failures)
    words = ", ".join(f"{word}: {count}" for word, count in failed.items())
    return Assertion(scenario, "processes that the store did not answer in time", words or "none", None)


def check_revocation(scenario: str, logs: list[WorkerLog]) -> Iterable[Assertion]:
    """Check the recovery after a revocation under load."""
    token_requests = _token_requests(logs)
    token_at = max((each.ended for each in token_requests), default=0.0)
    calls = [each for log in logs for each in log.sent if not each.for_token]
    taken = [seconds for log in logs if (seconds := recovery_seconds(log.sent)) is not None]
    late = [seconds for log in logs if (seconds := delay_after_token(log.sent, token_at)) is not None]
    trip, rejections = percentile(calls, 0.99), outcomes(calls)["403"]
    yield Assertion(scenario, "token requests", f"{len(token_requests)}", len(token_requests) == 1)
    yield from _check_no_failure(scenario, logs)
    yield Assertion(scenario, "processes that saw a rejection", f"{len(taken)}, {rejections} responses 403 in all", None)
    if taken:
        spread = f"median {statistics.median(taken) * 1000:.0f} ms, at most {max(taken) * 1000:.0f} ms"
        yield Assertion(scenario, "from a process's first rejection to its next response", spread, None)
        limit = f"at most {max(late) * 1000:.0f} ms; p99 of a call {trip * 1000:.0f} ms, first poll {POLL * 1000:.0f} ms"
        yield Assertion(scenario, "… from the arrival of the new token", limit, max(late) <= trip + POLL)


def check_leader_killed(scenario: str, logs: list[WorkerLog], killed_at: float, token_requests: int) -> Iterable[Assertion]:
    """Check the recovery after the leader was killed during its token request."""
    taken = max(call.ended for call in _calls(logs)) - killed_at
    yield Assertion(scenario, "token requests, the killed leader's included", f"{token_requests}", token_requests == 2)
    yield from _check_no_failure(scenario, logs)
    yield Assertion(scenario, "from the kill to the last response", f"{taken:.2f} s (lease {LEASE:.0f} s)", taken <= LEASE + 1)


def check_outage(scenario: str, logs: list[WorkerLog], controls: list[WorkerLog], outage: Outage) -> Iterable[Assertion]:
    """Check the calls around an outage of the store. The ``controls`` have no store: their slower calls are the machine's."""
    change, control = _p99_change(logs, outage), _p99_change(controls, outage)
    fewest = min(sum(outage.gone <= each.began < outage.back for each in log.sent if each.for_token) for log in logs)
    yield from _check_no_failure(scenario, [*logs, *controls])
    yield Assertion(scenario, "expiries during the outage, in each process", f"at least {fewest}", fewest >= EXPIRIES)
    growth = change.growth - max(0.0, control.growth)
    yield Assertion(scenario, "p99 of a call, before and since", str(change), growth <= P99_LIMIT)
    yield Assertion(scenario, "… in processes without a store", str(control), None)


def check_steady(scenario: str, median: float, low: float, high: float) -> Iterable[Assertion]:
    """Check the ratio of the time of a call with a store to one without, given its median and interval."""
    measured = f"{median:.3f} ({low:.3f} to {high:.3f})"
    yield Assertion(scenario, "time of a call, with a store to without", measured, low <= 1 + LEVEL)


def _check_no_failure(scenario: str, logs: list[WorkerLog]) -> Iterable[Assertion]:
    found = outcomes(_calls(logs))
    failed = {outcome: count for outcome, count in found.items() if outcome != "200"}
    yield Assertion(scenario, "calls that failed", f"{failed or 'none'} of {found.total():,}", not failed)


def _p99_change(logs: list[WorkerLog], outage: Outage) -> P99Change:
    before, after = ([call for call in _calls(logs) if (call.began >= outage.gone) is late] for late in (False, True))
    return P99Change(percentile(before, 0.99), percentile(after, 0.99))


def _calls(logs: list[WorkerLog]) -> list[LoggedRequest]:
    return [call for log in logs for call in log.calls]


def _token_requests(logs: list[WorkerLog]) -> list[LoggedRequest]:
    return [each for log in logs for each in log.sent if each.for_token]
