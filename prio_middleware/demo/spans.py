"""Spans kept in memory, with OpenTelemetry's API alone: enough to show one trace."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, SpanContext, TraceFlags


class KeptSpan(NonRecordingSpan):
    """A span that knows when it began and ended, and what it was told.

    Attributes:
        name: its name.
        parent: the id of the span it is a child of, 0 where there is none.
        attributes: what was said of it.
        began: nanoseconds since the epoch.
        ended: the same; as long as it goes on, ``began``.
    """

    def __init__(self, name: str, context: SpanContext, parent: int, attributes: Mapping[str, Any], began: int) -> None:
        super().__init__(context)
        self.name = name
        self.parent = parent
        self.attributes: dict[str, Any] = dict(attributes)
        self.began = self.ended = began

    @property
    def id(self) -> int:
        """Its id."""
        return self.get_span_context().span_id

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e9

    def set_attribute(self, key: str, value: Any) -> None:
        """Note it."""
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Note them."""
        self.attributes |= attributes

    def end(self, end_time: int | None = None) -> None:
        """It is over."""
        self.ended = time.time_ns() if end_time is None else end_time


class SpanBook(trace.TracerProvider, NoOpTracer):
    """A tracer provider, and its only tracer. Keeps every span, in the order in which they began."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self._ids = itertools.count(1)

    def get_tracer(self, *_: Any, **__: Any) -> SpanBook:
        """This very object."""
        return self

    def start_span(
        self, name: str, context: Context | None = None, *_: Any, attributes: Any = None, start_time: Any = None, **__: Any
    ) -> KeptSpan:
        """A span that is kept from now on."""
        parent = trace.get_current_span(context).get_span_context()
        own = SpanContext(parent.trace_id or next(self._ids), next(self._ids), is_remote=False, trace_flags=TraceFlags(1))
        span = KeptSpan(name, own, parent.span_id, attributes or {}, start_time or time.time_ns())
        self.spans.append(span)
        return span
