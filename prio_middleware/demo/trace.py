"""Trace of one slow call, as a tree of spans. Needs OpenTelemetry's API only, and ``rich``."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, SpanContext, TraceFlags
from rich.text import Text
from rich.tree import Tree

from ..httpx import client
from ..telemetry import names
from .fixture import PRODUCT, Fixture

LABELS = {
    names.STATUS: "status",
    names.FETCH_REASON: "reason",
    names.FETCH_ATTEMPTS: "attempts",
    names.REAUTHENTICATION_OUTCOME: "outcome",
    names.ERROR_TYPE: "error",
}


class RecordedSpan(NonRecordingSpan):
    """Span with its attributes, its parent's id, and its times in nanoseconds since the epoch."""

    def __init__(self, name: str, context: SpanContext, parent: int, attributes: Mapping[str, Any], began: int) -> None:
        super().__init__(context)
        self.name, self.id, self.parent = name, context.span_id, parent
        self.attributes: dict[str, Any] = dict(attributes)
        self.began = self.ended = began

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes |= attributes

    def end(self, end_time: int | None = None) -> None:
        self.ended = end_time or time.time_ns()


class SpanRecorder(trace.TracerProvider, NoOpTracer):
    """Tracer provider and its only tracer. Keeps every span in the order of their starts."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []
        self._ids = itertools.count(1)

    def get_tracer(self, *_: Any, **__: Any) -> SpanRecorder:
        return self

    def start_span(self, name: str, context: Any = None, *_: Any, **options: Any) -> RecordedSpan:
        parent = trace.get_current_span(context).get_span_context()
        own = SpanContext(parent.trace_id or next(self._ids), next(self._ids), is_remote=False, trace_flags=TraceFlags(1))
        began = options.get("start_time") or time.time_ns()
        self.spans.append(RecordedSpan(name, own, parent.span_id, options.get("attributes") or {}, began))
        return self.spans[-1]


class TracedTransport(httpx.HTTPTransport):
    """Transport with one span per HTTP request, like OpenTelemetry's instrumentation of httpx."""

    recorder: SpanRecorder

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        span = self.recorder.start_span(f"{request.method} {request.url.path.rpartition('/distributor')[2]}")
        with trace.use_span(span, end_on_exit=True):
            response = super().handle_request(request)
            span.set_attributes({names.STATUS: response.status_code})
        return response


def slow_call(fixture: Fixture) -> list[RecordedSpan]:
    """Make a call with a revoked token while the token endpoint fails once. Return its spans."""
    fixture.reset()
    transport = TracedTransport(verify=fixture.sandbox.ssl_context())
    recorder = transport.recorder = SpanRecorder()
    options: dict[str, Any] = {"transport": transport, "tracer_provider": recorder}
    with client(settings=fixture.settings(name="traced"), **options) as prio:
        prio.get(PRODUCT)
        fixture.sandbox.admin.revoke()
        fixture.sandbox.admin.fail_tokens("bad_gateway")
        recorder.spans.clear()
        with trace.use_span(recorder.start_span("your call"), end_on_exit=True):
            prio.get(PRODUCT)
    return recorder.spans


def span_tree(spans: Sequence[RecordedSpan]) -> Tree:
    """Return the first span as a tree with its descendants, each with a bar for its share of the time."""
    tree, whole = Tree("", guide_style="dim", hide_root=True), spans[0].ended - spans[0].began
    branches = {spans[0].parent: tree}
    for span in spans:
        taken = span.ended - span.began
        facts = ", ".join(f"{label} {span.attributes[name]}" for name, label in LABELS.items() if name in span.attributes)
        label = Text.assemble((span.name.removeprefix("prio_middleware."), "bold"), f"  {taken / 1e6:,.0f} ms ")
        label.append("#" * max(1, round(10 * taken / whole)), "green").append(f"\n{facts}" if facts else "", "dim")
        branches[span.id] = branches[span.parent].add(label)
    return tree
