"""What is recorded of one fetch of a token: a span, a duration, a line in the log, and one entry among the last ones."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from . import metrics, names
from .error_type import error_type
from .log import log
from .providers import Trigger, telemetry

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from .tally import Tally


class FetchFacts(NamedTuple):
    """What is known when a fetch begins.

    Attributes:
        tally: the client's counts.
        client: the client's name.
        url: the token endpoint's URL, or the issuer's.
        reason: initial, expiring, rejected or forced.
        trigger: the call that it is made beside of; None: a call waits for it.
    """

    tally: Tally
    client: str
    url: str
    reason: str
    trigger: Trigger | None = None


class Fetched(NamedTuple):
    """How a fetch ended: with a token, or else with an error; None: it was cancelled."""

    error: BaseException | None = None
    source: str = "endpoint"
    lifetime: float | None = None


class Afterwards(NamedTuple):
    """What is known when a fetch has ended.

    Attributes:
        url: the token endpoint's URL, as it was found in the end.
        held_back: seconds for which no token is asked for now.
    """

    url: str
    held_back: float | None = None


class FetchWatch:
    """Watches one fetch, from its beginning. What a fork copies of it is nobody's: the fetch is the parent's.

    Its span is the current one nowhere: who sends for the fetch does so in ``context``.
    """

    def __init__(self, facts: FetchFacts) -> None:
        from opentelemetry import context, trace

        self._facts = facts
        self._pid = os.getpid()
        self._telemetry = facts.trigger.telemetry if facts.trigger else telemetry()
        parent = context.Context() if facts.trigger else context.get_current()
        links = [trace.Link(facts.trigger.span)] if facts.trigger and facts.trigger.span.is_valid else []
        self._started = time.monotonic()
        self._span = self._telemetry.tracer().start_span(
            names.FETCH.name,
            parent,
            attributes={names.CLIENT: facts.client, names.FETCH_REASON: facts.reason, **_server(facts.url)},
            links=links,
        )
        self.context = trace.set_span_in_context(self._span, parent)
        self.attempts = 0

    @property
    def span(self) -> SpanContext:
        """What others link to."""
        return self._span.get_span_context()

    def end(self, fetched: Fetched, afterwards: Afterwards) -> None:
        """It has ended."""
        if os.getpid() != self._pid:
            return
        took = time.monotonic() - self._started
        kind = None if fetched.lifetime is not None else error_type(fetched.error)
        self._facts.tally.note_fetch(took, self._facts.reason, kind or "ok", self.attempts, fetched.source)
        labels = {names.FETCH_REASON: self._facts.reason, names.TOKEN_SOURCE: fetched.source, **_error(kind)}
        metrics.of(self._telemetry, self._facts.tally).record_fetch(took, self._facts.tally, labels, self.context)
        self._log(fetched, kind, took)
        if fetched.error and afterwards.held_back:
            self._log_hold_back(afterwards.held_back)
        self._end_span(fetched, kind, afterwards.url)

    def _log(self, fetched: Fetched, kind: str | None, took: float) -> None:
        client, reason = self._facts.client, self._facts.reason
        facts: dict[str, Any] = {
            "event": "token.fetch",
            "client": client,
            "reason": reason,
            "outcome": kind or "ok",
            "attempts": self.attempts,
            "duration": round(took, 3),
            "source": fetched.source,
        }
        if kind is None:
            message = "The client %r has a new token (%s), good for %.0f s."
            log(logging.INFO, message, client, reason, fetched.lifetime, context=self.context, **facts)
        else:
            said = kind if fetched.error is None else fetched.error
            log(logging.WARNING, "The client %r got no token (%s). %s", client, reason, said, context=self.context, **facts)

    def _log_hold_back(self, seconds: float) -> None:
        message = "The client %r asks for no token for %.1f s: the server would say the same again."
        facts = {"event": "hold_back", "client": self._facts.client, "duration": round(seconds, 1)}
        log(logging.WARNING, message, self._facts.client, seconds, context=self.context, **facts)

    def _end_span(self, fetched: Fetched, kind: str | None, url: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({names.FETCH_ATTEMPTS: self.attempts, names.TOKEN_SOURCE: fetched.source, **_error(kind)})
        if url != self._facts.url:
            self._span.set_attributes(_server(url))
        if fetched.lifetime is not None:
            self._span.set_attribute(names.TOKEN_EXPIRES_IN, fetched.lifetime)
        else:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _error(kind: str | None) -> dict[str, str]:
    return {} if kind is None else {names.ERROR_TYPE: kind}


def _server(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return {names.SERVER_ADDRESS: parts.hostname or "", names.SERVER_PORT: port}
