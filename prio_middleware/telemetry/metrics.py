"""The instruments: made once for each meter provider, however many clients there are.

What the hot path counts is observed, not recorded: the exporter's thread reads the tallies when it wants to.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from . import names
from .names import Metric
from .providers import Telemetry, version
from .tally import LEDGER, Tally

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    Labels = Mapping[str, str]
    Observed = Iterator[tuple[int | float, dict[str, str | int]]]

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
"""Seconds. Those that OpenTelemetry advises for HTTP durations, and up to the deadline of a fetch and beyond."""

STATUSES: Final = frozenset({200, 400, 401, 403, 404, 429, 500, 502, 503, 504})
"""Statuses that are reported before they were seen: where a series begins at 61, Prometheus sees no increase."""


STORE_OUTCOMES: Final = ("helped", "published", "kept_back", "refusals", "alone")
"""What is told of a shared token store."""


class Instruments:
    """What is recorded and observed for one meter provider: the clients that were given it, or those that were given none.

    Args:
        meter_provider: the meter provider; None: the global one, which may be set later.
    """

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        from opentelemetry.metrics import get_meter

        meter = get_meter(names.SCOPE, version(), meter_provider, names.SCHEMA_URL)
        self._durations = {
            metric: meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=BUCKETS
            )
            for metric in (names.FETCH_DURATION, names.WAIT_DURATION, names.STORE_DURATION)
        }
        make: dict[str, Callable[..., object]] = {
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }
        for metric, look in _LOOKS.items():
            make[metric.kind](metric.name, [self._observer(look)], metric.unit, metric.meaning)

        self._is_global = meter_provider is None

    def record_fetch(self, seconds: float, tally: Tally, labels: Labels, context: Context) -> None:
        """A fetch took so long."""
        self._durations[names.FETCH_DURATION].record(seconds, {names.CLIENT: tally.name, **labels}, context)

    def record_wait(self, seconds: float, tally: Tally, labels: Labels, context: Context) -> None:
        """A call waited so long."""
        self._durations[names.WAIT_DURATION].record(seconds, {names.CLIENT: tally.name, **labels}, context)

    def record_store(self, seconds: float, tally: Tally, labels: Labels) -> None:
        """An operation of a shared token store took so long."""
        self._durations[names.STORE_DURATION].record(seconds, {names.CLIENT: tally.name, **labels})

    def _is_for(self, tally: Tally) -> bool:
        return tally.is_global if self._is_global else self in tally.audience

    def _observer(self, look: Callable[[Tally], Observed]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            from opentelemetry.metrics import Observation

            return [
                Observation(value, {names.CLIENT: tally.name, **labels})
                for tally in LEDGER.tallies()
                if self._is_for(tally)
                for value, labels in look(tally)
            ]

        return observe


def of(telemetry: Telemetry, tally: Tally) -> Instruments:
    """The instruments for a client, which observe its tally from now on. Loads OpenTelemetry."""
    provider = telemetry.meter_provider
    if provider is None:
        tally.is_global = True
        return _global[0] if _global else _make(provider)
    known = _given.get(provider) or _make(provider)
    tally.audience.add(known)
    return known


def expect(telemetry: Telemetry, tally: Tally) -> None:
    """A client begins: where OpenTelemetry is loaded anyway, its zeros are seen before its first fetch."""
    if telemetry.meter_provider is not None or "opentelemetry.metrics" in sys.modules:
        of(telemetry, tally)
    tally.is_global = tally.is_global or telemetry.meter_provider is None


def _make(provider: MeterProvider | None) -> Instruments:
    with _making.lock:  # Made twice, all but the first would be lost.
        if provider is None:
            _global[:] = _global or [Instruments(None)]
            return _global[0]
        if provider not in _given:
            _given[provider] = Instruments(provider)
        return _given[provider]


_given: WeakKeyDictionary[Any, Instruments] = WeakKeyDictionary()
_global: list[Instruments] = []


class _Making:
    """The lock under which instruments are made. A fork copies a lock as it is, held for ever perhaps."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def start_anew(self) -> None:
        self.lock = threading.Lock()


_making = _Making()


def _acquisitions(tally: Tally) -> Observed:
    return _by(names.ACQUISITION_OUTCOME, tally.acquisitions)


def _reauthentications(tally: Tally) -> Observed:
    return _by(names.REAUTHENTICATION_OUTCOME, tally.reauthentications)


def _rejected(tally: Tally) -> Observed:
    return _by(names.REJECTION_REASON, tally.rejected)


def _by(label: str, counts: Mapping[str, int]) -> Observed:
    return ((count, {label: key}) for key, count in dict(counts).items())


def _responses(tally: Tally) -> Observed:
    seen = tally.responses().items()
    return ((count, {names.STATUS: status}) for status, count in seen if count or status in STATUSES)


def _waiters(tally: Tally) -> Observed:
    yield tally.waiting, {}


def _usage(tally: Tally) -> Observed:
    yield tally.client_errors.count(), {}


def _limit(tally: Tally) -> Observed:
    if tally.client_error_limit is not None:
        yield tally.client_error_limit, {}


def _expiry(tally: Tally) -> Observed:
    providers: list[Any] = tally.providers()
    left = [provider.report().expires_in for provider in providers if hasattr(provider, "report")]
    known = [seconds for seconds in left if seconds is not None]
    if known:
        yield round(time.time() + max(known), 1), {}


def _store_outcomes(tally: Tally) -> Observed:
    reports = _store_reports(tally)
    for outcome in STORE_OUTCOMES if reports else ():
        yield sum(getattr(report, outcome) for report in reports), {names.STORE_OUTCOME: outcome}


def _store_circuit(tally: Tally) -> Observed:
    reports = _store_reports(tally)
    if reports:
        yield int(any(report.circuit != "closed" for report in reports)), {}


def _store_reports(tally: Tally) -> list[Any]:
    providers: list[Any] = tally.providers()
    reports = [provider.store_report() for provider in providers if hasattr(provider, "store_report")]
    return [report for report in reports if report.kind != "memory"]


_LOOKS: Final[dict[Metric, Callable[[Tally], Observed]]] = {
    names.ACQUIRED: _acquisitions,
    names.WAITERS: _waiters,
    names.EXPIRY: _expiry,
    names.REAUTHENTICATED: _reauthentications,
    names.RESPONSES: _responses,
    names.REJECTED: _rejected,
    names.ERROR_USAGE: _usage,
    names.ERROR_LIMIT: _limit,
    names.STORE_OUTCOMES: _store_outcomes,
    names.STORE_CIRCUIT: _store_circuit,
}

with suppress(AttributeError):  # Where there is no fork there is no hook.
    os.register_at_fork(after_in_child=_making.start_anew)
