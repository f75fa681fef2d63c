"""OpenTelemetry SDK with exporters in memory, and helpers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, ScopeMetrics
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE, WAIT

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""For tests that fork: pytest-xdist and other tests have threads, which the child does not use."""


def until(condition: Callable[[], bool]) -> None:
    """Block this thread until ``condition`` is met, if there is no event for it. Not for the thread of an event loop."""
    never = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        never.wait(0.001)
    raise AssertionError


class _Ends(SpanProcessor):
    """Span processor that sets an event when a span of that name ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.event = threading.Event()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...

    def on_end(self, span: ReadableSpan) -> None:
        if span.name == self._name:
            self.event.set()


class Recorder:
    """Tracer provider and meter provider, with their records."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def options(self) -> dict[str, Any]:
        """Options for a client or a transport."""
        return {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if name in {None, span.name}]

    def fetches(self) -> list[ReadableSpan]:
        return self.spans(FETCH)

    def waits(self) -> list[ReadableSpan]:
        return self.spans(WAIT)

    def reauthentications(self) -> list[ReadableSpan]:
        return self.spans(REAUTHENTICATE)

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def end_of(self, name: str) -> threading.Event:
        """Return the event of the next end of a span of that name."""
        ends = _Ends(name)
        self.tracer_provider.add_span_processor(ends)
        return ends.event

    def clear(self) -> None:
        self._exporter.clear()

    def points(self, metric: str) -> dict[tuple[Any, ...], Any]:
        """Return the data points of a metric, by the values of their attributes in the order of their names."""
        return {
            tuple(value for _, value in sorted((point.attributes or {}).items())): point for point in self._data_points(metric)
        }

    def attributes(self, metric: str) -> list[dict[str, Any]]:
        """Return the attributes of each data point of a metric."""
        return [dict(point.attributes or {}) for point in self._data_points(metric)]

    def scopes(self) -> list[ScopeMetrics]:
        """Return the data that an exporter would get now."""
        data = self._reader.get_metrics_data()
        return [scope for resource in (data.resource_metrics if data else []) for scope in resource.scope_metrics]

    def _data_points(self, metric: str) -> list[Any]:
        return [
            point
            for scope in self.scopes()
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]

    def values(self, metric: str, client: str = "shop") -> dict[Any, Any]:
        """Return the values of a client's points, by the value of their other attribute, or None if they have no other."""
        found: dict[Any, Any] = {}
        for labels, point in self.points(metric).items():
            if client in labels:
                others = [label for label in labels if label != client]
                found[others[0] if others else None] = point.value
        return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span without their prefix."""
    return {name.removeprefix("prio_middleware."): value for name, value in (span.attributes or {}).items()}
