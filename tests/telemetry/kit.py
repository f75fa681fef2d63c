"""OpenTelemetry's SDK, kept in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE, WAIT


class Recorder:
    """Both providers, and what they were told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def options(self) -> dict[str, Any]:
        """For a client or a transport."""
        return {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if name in {None, span.name}]

    def fetches(self) -> list[ReadableSpan]:
        return self.spans(FETCH.name)

    def waits(self) -> list[ReadableSpan]:
        return self.spans(WAIT.name)

    def second_tries(self) -> list[ReadableSpan]:
        return self.spans(REAUTHENTICATE.name)

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def clear(self) -> None:
        self._exporter.clear()

    def points(self, metric: str) -> dict[tuple[Any, ...], Any]:
        """The data points of a metric, by the values of their attributes in the order of their names."""
        return {
            tuple(value for _, value in sorted((point.attributes or {}).items())): point for point in self._data_points(metric)
        }

    def attributes(self, metric: str) -> list[dict[str, Any]]:
        """Those of each of its data points."""
        return [dict(point.attributes or {}) for point in self._data_points(metric)]

    def _data_points(self, metric: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]

    def values(self, metric: str, client: str = "shop") -> dict[Any, Any]:
        """The values of a client's points, by the value of their other attribute, or None where they have no other."""
        found: dict[Any, Any] = {}
        for labels, point in self.points(metric).items():
            if client in labels:
                others = [label for label in labels if label != client]
                found[others[0] if others else None] = point.value
        return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Without the prefix."""
    return {name.removeprefix("prio_middleware."): value for name, value in (span.attributes or {}).items()}
