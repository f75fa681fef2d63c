"""OpenTelemetry spans of token fetches and of waiting. OpenTelemetry is imported at the first fetch."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from .._util.clock import now
from . import metrics, names
from .logs import end_token_failures, error_type, log, log_failure
from .metrics import Trigger, telemetry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from .counters import ClientCounters


class FetchContext(NamedTuple):
    """Facts known at the start of a fetch."""

    counters: ClientCounters
    client: str
    url: str  # Of the token endpoint, or of the issuer.
    reason: str  # initial, expiring, rejected or forced
    trigger: Trigger | None = None  # The call that started the fetch in the background; None if a call waits for it.


class FetchResult(NamedTuple):
    """Result of a fetch: the lifetime of the token, or an error. Without either, the fetch was cancelled."""

    error: BaseException | None = None
    source: str = "endpoint"
    lifetime: float | None = None


class ProviderState(NamedTuple):
    """Facts known at the end of a fetch."""

    url: str  # Of the token endpoint, after discovery.
    cooldown_seconds: float | None = None  # Until the next fetch is allowed.


class FetchObserver:
    """Observer of one fetch, from its start to its end. After a fork only the parent records.

    The calls that wait have their own current span. Token requests are sent in ``context``, which holds the span of the fetch.
    """

    def __init__(self, facts: FetchContext) -> None:
        from opentelemetry import context, trace

        self._facts = facts
        self._pid = os.getpid()
        self._telemetry = facts.trigger.telemetry if facts.trigger else telemetry()
        parent = context.Context() if facts.trigger else context.get_current()
        links = [trace.Link(facts.trigger.span)] if facts.trigger and facts.trigger.span.is_valid else []
        self._started = now()
        self._span = self._telemetry.tracer().start_span(
            names.FETCH,
            parent,
            attributes={names.CLIENT: facts.client, names.FETCH_REASON: facts.reason, **_server(facts.url)},
            links=links,
        )
        self.context = trace.set_span_in_context(self._span, parent)
        self.attempts = 0
        self._has_failed = False

    @property
    def span(self) -> SpanContext:
        """The span of the fetch, for waiting calls to link to."""
        return self._span.get_span_context()

    def failed(self, error: BaseException, pause: float, give_up_seconds: float) -> None:
        """Log the first failed attempt of this fetch at once: callers wait meanwhile.

        The next attempt is made after ``pause`` seconds. The fetch is given up after ``give_up_seconds``.
        """
        if self._has_failed or os.getpid() != self._pid:
            return
        self._has_failed = True
        client, reason, kind = self._facts.client, self._facts.reason, error_type(error)
        fields = {"client": client, "reason": reason, "outcome": kind, "duration": round(now() - self._started, 3)}
        message = "Client %r got no token yet (%s). %s Next attempt in %.1f s, gives up in %.0f s."
        values = (client, reason, error, pause, give_up_seconds)
        log_failure(message, *values, context=self.context, kind=kind, event="token_request_failed", **fields)

    def end(self, result: FetchResult, state: ProviderState, waiting: Iterable[SpanContext] = ()) -> None:
        """Record the end of the fetch. ``waiting`` holds the spans of the calls that waited for it, to link to."""
        if os.getpid() != self._pid:
            return
        took = now() - self._started
        kind = None if result.lifetime is not None else error_type(result.error)
        counters, reason = self._facts.counters, self._facts.reason
        counters.count_fetch(took, reason, kind or "ok", self.attempts, result.source)
        instruments = metrics.instruments_for(self._telemetry, counters)
        instruments.record(names.FETCH_DURATION, took, _error(kind), self.context)
        self._log(result, kind, took, state.cooldown_seconds)
        for span in waiting:
            self._span.add_link(span)
        self._end_span(result, kind, state.url)

    def _log(self, result: FetchResult, kind: str | None, took: float, cooldown_seconds: float | None) -> None:
        client, reason = self._facts.client, self._facts.reason
        fields: dict[str, Any] = {"event": "token_fetch", "client": client, "reason": reason, "outcome": kind or "ok"}
        fields |= {"attempts": self.attempts, "duration": round(took, 3), "source": result.source}
        if kind is None:
            level, message = logging.INFO, "Client %r has a new token (%s), valid for %.0f s."
            if ended := end_token_failures(client):
                level = logging.WARNING
                message += f" Before it: {', '.join(f'{event} {count}' for event, count in ended.items())}."
                fields["failures"] = ended.get("token_fetch", 0)
            log(level, message, client, reason, result.lifetime, context=self.context, **fields)
        elif kind == names.CANCELLED:  # By the application or its end: nothing failed.
            log(logging.INFO, "Client %r stopped a fetch of a token (%s).", client, reason, context=self.context, **fields)
        else:
            message = "Client %r got no token (%s). %s"
            log_failure(message, client, reason, result.error or kind, context=self.context, kind=kind, **fields)
        if result.error and cooldown_seconds:
            message = "Client %r makes no token request for %.1f s, because the last one failed."
            fields = {"event": "failure_cooldown", "client": client, "duration": round(cooldown_seconds, 1)}
            log_failure(message, client, cooldown_seconds, context=self.context, **fields)

    def _end_span(self, result: FetchResult, kind: str | None, url: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({names.FETCH_ATTEMPTS: self.attempts, names.TOKEN_SOURCE: result.source, **_error(kind)})
        if url != self._facts.url:
            self._span.set_attributes(_server(url))
        if result.lifetime is not None:
            self._span.set_attribute(names.TOKEN_EXPIRES_IN, result.lifetime)
        else:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _error(kind: str | None) -> dict[str, str]:
    return {} if kind is None else {names.ERROR_TYPE: kind}


def _server(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return {names.SERVER_ADDRESS: parts.hostname or "", names.SERVER_PORT: port}


class WaitObserver:
    """Observer of one call that waits for another call's fetch. After a fork only the parent records.

    It makes its span at the end, because samplers do not see links that are added later.
    """

    def __init__(self, counters: ClientCounters, client: str) -> None:
        from opentelemetry import context

        self._counters = counters
        self._client = client
        self._pid = os.getpid()
        self._telemetry = telemetry()
        self._parent = context.get_current()
        self._began = time.time_ns()
        self._started = now()
        counters.waiting += 1

    @property
    def caller(self) -> SpanContext:
        """The span of the waiting call, for the fetch to link to."""
        from opentelemetry import trace

        return trace.get_current_span(self._parent).get_span_context()

    def drop(self) -> None:
        """Record nothing: the call did not wait."""
        self._counters.waiting -= 1

    def end(self, fetch: SpanContext | None, error: BaseException | None, *, cancelled: bool) -> None:
        """Record the end of the wait for ``fetch``, with its error. ``cancelled``: the caller was cancelled, not the fetch."""
        if os.getpid() != self._pid:
            return
        self._counters.waiting -= 1
        took = now() - self._started
        failed = {names.ERROR_TYPE: error_type(error)} if cancelled or error else {}
        within = self._record_span(took, fetch, failed) if self._telemetry.records_spans() else self._parent
        instruments = metrics.instruments_for(self._telemetry, self._counters)
        instruments.record(names.WAIT_DURATION, took, failed, within)

    def _record_span(self, took: float, fetch: SpanContext | None, failed: Mapping[str, str]) -> Context:
        """Record the span. Return its context, for an exemplar of the duration."""
        from opentelemetry import trace

        span = self._telemetry.tracer().start_span(
            names.WAIT,
            self._parent,
            attributes={names.CLIENT: self._client, **failed},
            links=[trace.Link(fetch)] if fetch else [],
            start_time=self._began,
        )
        if failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end(self._began + int(took * 1e9))
        return trace.set_span_in_context(span, self._parent)
