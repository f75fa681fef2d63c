"""What is recorded of a call that waits for another call's fetch. Loads OpenTelemetry."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry import context, trace

from . import metrics, names
from .error_type import error_type
from .providers import telemetry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from .tally import Tally


class WaitWatch:
    """Watches one wait, from its beginning. It makes its span at the end: samplers see no link that is added later.

    What a fork copies of it is nobody's: the wait is the parent's.

    Args:
        tally: the client's counts.
        client: the client's name.
    """

    def __init__(self, tally: Tally, client: str) -> None:
        self._tally = tally
        self._client = client
        self._pid = os.getpid()
        self._telemetry = telemetry()
        self._parent = context.get_current()
        self._began = time.time_ns()
        self._started = time.monotonic()
        tally.waiting += 1

    def drop(self) -> None:
        """It was no wait at all."""
        self._tally.waiting -= 1

    def end(self, fetch: SpanContext | None, error: BaseException | None, *, cancelled: bool) -> None:
        """It is over.

        Args:
            fetch: the span of the fetch that was waited for.
            error: what that fetch failed with.
            cancelled: it was the caller's end, not the fetch's.
        """
        if os.getpid() != self._pid:
            return
        self._tally.waiting -= 1
        took = time.monotonic() - self._started
        failed = {names.ERROR_TYPE: error_type(error)} if cancelled or error else {}
        within = self._record_span(took, fetch, failed) if self._telemetry.makes_spans() else self._parent
        metrics.of(self._telemetry, self._tally).record_wait(took, self._tally, failed, within)

    def _record_span(self, took: float, fetch: SpanContext | None, failed: Mapping[str, str]) -> Context:
        """The context of the span: an exemplar of the duration leads to it."""
        span = self._telemetry.tracer().start_span(
            names.WAIT.name,
            self._parent,
            attributes={names.CLIENT: self._client, **failed},
            links=[trace.Link(fetch)] if fetch else [],
            start_time=self._began,
        )
        if failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end(self._began + int(took * 1e9))
        return trace.set_span_in_context(span, self._parent)
