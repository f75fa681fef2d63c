"""OpenTelemetry metrics, and the meter and tracer providers that report them."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from . import names
from .counters import BLOCK_REASONS, OTHER, ClientCounters, client_name, living
from .names import Metric
from .providers import ReportsStore, ReportsToken, StoreReport

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import SpanContext, Tracer, TracerProvider

    Labels = Mapping[str, str]
    Observed = Iterator[tuple[int | float, dict[str, str | int]]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Telemetry:
    """OpenTelemetry providers of one client. None stands for the global one."""

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Report to these providers inside the block. Callers of one token provider may have different ones."""
        token = _in_use.set(self)
        try:
            yield
        finally:
            with suppress(ValueError):  # An abandoned coroutine ends in another context.
                _in_use.reset(token)

    def records_spans(self) -> bool:
        """Return True if spans may be exported. Without an SDK, thousands of waiting calls need not make one each."""
        from opentelemetry import trace

        return self.tracer_provider is not None or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    def tracer(self) -> Tracer:
        from opentelemetry import trace

        return trace.get_tracer(names.SCOPE, version(), self.tracer_provider, names.SCHEMA_URL)


GLOBAL = Telemetry()
_in_use: ContextVar[Telemetry] = ContextVar("prio_middleware.telemetry", default=GLOBAL)


class Trigger(NamedTuple):
    """Call that started a fetch in the background, which outlives the call."""

    telemetry: Telemetry
    span: SpanContext


def telemetry() -> Telemetry:
    """Return the OpenTelemetry providers of the current call."""
    return _in_use.get()


def trigger() -> Trigger:
    """Return the current call as the trigger of a background fetch."""
    from opentelemetry import trace

    return Trigger(telemetry(), trace.get_current_span().get_span_context())


@contextmanager
def attached(context: Context) -> Generator[None]:
    """Make ``context`` current in a function or coroutine. Do not use it across the ``yield`` of a generator."""
    from opentelemetry import context as current

    token = current.attach(context)
    try:
        yield
    finally:
        # An abandoned coroutine ends in another context, which must not be detached.
        if current.get_current() is context:
            current.detach(token)


@functools.cache
def version() -> str:
    """Return the installed version of this library."""
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version("prio-middleware")
    return ""


HELD_LIMIT: Final = 100  # Durations that are held until the next collection. Without a metric reader, nothing collects them.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
"""Histogram bounds in seconds: OpenTelemetry's advice for HTTP durations, and two bounds beyond the deadline of a fetch."""

FROM_ZERO: Final[Mapping[Metric, frozenset[object]]] = {
    names.ACQUIRED: frozenset({"cached", "fetched", "cooling_down", "failed"}),
    names.REQUEST_FAILURES: frozenset(set(names.FAILURES) - {names.UNCHANGED_TOKEN, names.OTHER_ERROR}),
    names.REAUTHENTICATED: frozenset({"succeeded", "rejected"}),
    names.RESPONSES: frozenset({200, 401, 403}),
    names.BLOCKED: frozenset(BLOCK_REASONS),
}
"""Label values that are reported from 0 on. A series that begins at 61 shows no increase in Prometheus.

The others are reported once they occur, so that a client without faults has at most 25 series.
"""

STORE_OUTCOMES: Final = {
    "hit": "hits",
    "published": "published",
    "not_stored": "not_stored",
    "error": "errors",
    "fallback": "fallbacks",
}
"""Reported outcomes of a shared token store, with the fields of :class:`StoreReport` that count them."""

_global_counters: WeakValueDictionary[int, ClientCounters] = WeakValueDictionary()
"""Counters that report to the global meter provider, from before OpenTelemetry is loaded."""


class Instruments:
    """OpenTelemetry instruments of one meter provider, which report the counters of the clients that use it.

    Clients of one name in several registries are reported as one: their counts are added, of gauges the highest is taken.
    At most ``metric_client_limit`` names are reported; further ones are reported as ``_other``.
    """

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        from opentelemetry.metrics import get_meter

        self.counters: WeakValueDictionary[int, ClientCounters] = (
            _global_counters if meter_provider is None else WeakValueDictionary()
        )
        self._names: set[str] = set()
        self._held: deque[tuple[int, Metric, float, Labels, Context | None]] = deque()
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
        for metric, read in _READERS.items():
            make[metric.kind](metric.name, [self._observer(metric, read)], metric.unit, metric.meaning)

    def record(self, metric: Metric, seconds: float, labels: Labels, context: Context | None = None) -> None:
        """Record the duration of a fetch, a wait or an operation of a shared token store.

        It is held until the next collection. The SDK would keep it across a fork, and report it in each child again.
        """
        self._held.append((os.getpid(), metric, seconds, labels, context))
        if len(self._held) > HELD_LIMIT:
            self._release()

    def _release(self) -> None:
        with suppress(IndexError):  # It is empty.
            while True:
                pid, metric, seconds, labels, context = self._held.popleft()
                if pid == os.getpid():
                    self._durations[metric].record(seconds, labels, context)

    def _name(self, counters: ClientCounters) -> str:
        name = counters.name
        if name not in self._names:
            if len(self._names) >= counters.names_limit:
                return OTHER
            self._names.add(name)
        return name

    def _observer(
        self, metric: Metric, read: Callable[[ClientCounters], Observed]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        combine: Callable[[list[int | float]], int | float] = max if metric.kind == "gauge" else sum
        by_client = names.CLIENT in metric.attributes

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            from opentelemetry.metrics import Observation

            self._release()
            found: dict[tuple[tuple[str, str | int], ...], list[int | float]] = {}
            for counters in living(self.counters):
                counters.check_fork()
                client = [(names.CLIENT, self._name(counters))] if by_client else []
                for value, labels in () if counters.retired else read(counters):
                    found.setdefault((*client, *labels.items()), []).append(value)
            return [Observation(combine(values), dict(labels)) for labels, values in found.items()]

        return observe


# By meter provider. GLOBAL stands for the global one, which may be set later.
_instruments: WeakKeyDictionary[Any, Instruments] = WeakKeyDictionary()

_locks = [threading.Lock()]
"""The first one is the lock under which instruments are made. A forked child inserts its own: the copy may be locked."""


def instruments_for(telemetry: Telemetry, counters: ClientCounters) -> Instruments:
    """Return the instruments of a client, which report its counters from now on. Loads OpenTelemetry."""
    provider = telemetry.meter_provider
    key = GLOBAL if provider is None else provider
    instruments = _instruments.get(key)
    if instruments is None:
        with _locks[0]:  # Of instruments that are made twice, the SDK drops the second.
            instruments = _instruments.get(key) or Instruments(provider)
            _instruments[key] = instruments
    instruments.counters[id(counters)] = counters
    return instruments


def announce(telemetry: Telemetry, counters: ClientCounters) -> None:
    """Report a new client's zeros before its first fetch, if OpenTelemetry is loaded or the client has a meter provider."""
    if telemetry.meter_provider is None:
        _global_counters[id(counters)] = counters
    if telemetry.meter_provider is not None or "opentelemetry.metrics" in sys.modules:
        instruments_for(telemetry, counters)


def _by(metric: Metric, label: str, counts: Mapping[Any, int]) -> Observed:
    from_zero = FROM_ZERO.get(metric, ())
    return ((count, {label: key}) for key, count in dict(counts).items() if count or key in from_zero)


def _if_any(count: int, value: int | None = None) -> Observed:
    return iter([(count if value is None else value, {})] if count else [])


def _responses(counters: ClientCounters) -> Observed:
    yield from _by(names.RESPONSES, names.STATUS, counters.responses())
    yield from _by(names.RESPONSES, names.ERROR_TYPE, counters.call_errors)


def _limit(counters: ClientCounters) -> Observed:
    limit = counters.client_error_limit
    return iter(()) if limit is None else _if_any(counters.client_errors.count(), limit)


def _without_token(counters: ClientCounters) -> Observed:
    reports = [(client_name(each), each.report()) for each in counters.providers() if isinstance(each, ReportsToken)]
    yield len({name for name, report in reports if report.without_token}), {}


def _expiry(counters: ClientCounters) -> Observed:
    left = [provider.report().expires_in for provider in counters.providers() if isinstance(provider, ReportsToken)]
    known = [seconds for seconds in left if seconds is not None]
    if known:
        yield round(time.time() + max(known), 1), {}


def _store_outcomes(counters: ClientCounters) -> Observed:
    reports = _store_reports(counters)
    for outcome, field in STORE_OUTCOMES.items() if reports else ():
        yield sum(getattr(report, field) for report in reports), {names.STORE_OUTCOME: outcome}


def _store_circuit(counters: ClientCounters) -> Observed:
    reports = _store_reports(counters)
    if reports:
        yield int(any(report.circuit != "closed" for report in reports)), {}


def _store_reports(counters: ClientCounters) -> list[StoreReport]:
    reports = [provider.store_report() for provider in counters.providers() if isinstance(provider, ReportsStore)]
    return [report for report in reports if report.kind != "memory"]


_READERS: Final[dict[Metric, Callable[[ClientCounters], Observed]]] = {
    names.ACQUIRED: lambda counters: _by(names.ACQUIRED, names.ACQUISITION_OUTCOME, counters.acquisitions),
    names.FETCHES: lambda counters: _by(names.FETCHES, names.FETCH_REASON, counters.fetches_by_reason),
    names.REQUEST_FAILURES: lambda counters: _by(names.REQUEST_FAILURES, names.ERROR_TYPE, counters.failed_requests),
    names.WITHOUT_TOKEN: _without_token,
    names.WAITERS: lambda counters: _if_any(counters.waiting),
    names.EVICTED: lambda counters: iter([(counters.evictions, {})]),
    names.EXPIRY: _expiry,
    names.REAUTHENTICATED: lambda counters: _by(
        names.REAUTHENTICATED, names.REAUTHENTICATION_OUTCOME, counters.reauthentications
    ),
    names.RESPONSES: _responses,
    names.BLOCKED: lambda counters: _by(names.BLOCKED, names.BLOCK_REASON, counters.blocked),
    names.ERROR_USAGE: lambda counters: _if_any(counters.client_errors.count()),
    names.ERROR_LIMIT: _limit,
    names.STORE_OUTCOMES: _store_outcomes,
    names.STORE_CIRCUIT: _store_circuit,
}

with suppress(AttributeError):  # Platforms without fork have no hook.
    os.register_at_fork(after_in_child=lambda: _locks.insert(0, threading.Lock()))
