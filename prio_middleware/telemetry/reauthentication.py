"""What is recorded of a refusal and the second try that follows it."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

from . import names
from .error_type import error_type, refusal_type
from .log import log
from .providers import Telemetry, attached

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .tally import Tally


class Reauthentication:
    """Watches a second try; its span is the current one meanwhile. For plain functions and coroutines, not for generators.

    Args:
        telemetry: whose spans.
        tally: the client's counts.
        client: the client's name.
        status: the refusal's status.
        code: the refusal's error code.

    Attributes:
        outcome: how it ended; ``failed``, as long as nobody says otherwise.
    """

    _span: Span
    _context: Context
    _attached: AbstractContextManager[None]

    def __init__(self, telemetry: Telemetry, tally: Tally, client: str, status: int, code: str | None) -> None:
        self._telemetry = telemetry
        self._tally = tally
        self._client = client
        self._status = status
        self._reason = refusal_type(code, status)
        self.outcome = "failed"

    def __enter__(self) -> Self:
        from opentelemetry import trace

        self._span = self._telemetry.tracer().start_span(
            names.REAUTHENTICATE.name,
            attributes={
                names.CLIENT: self._client,
                names.STATUS: self._status,
                names.REAUTHENTICATION_REASON: self._reason,
            },
        )
        self._context = trace.set_span_in_context(self._span)
        self._attached = attached(self._context)
        self._attached.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._attached.__exit__(None, None, None)
        cancelled = error is not None and not isinstance(error, Exception)
        if not cancelled:
            self._tally.reauthentications[self.outcome] += 1
        self._log()
        self._end_span(error_type(None if cancelled else error) if error else None)

    def _log(self) -> None:
        level = logging.INFO if self.outcome == "succeeded" else logging.WARNING
        log(
            level,
            "The server refused the token of the client %r (%s). The second try: %s.",
            *(self._client, self._reason, self.outcome),
            context=self._context,
            event="reauthentication",
            client=self._client,
            status=self._status,
            reason=self._reason,
            outcome=self.outcome,
        )

    def _end_span(self, error: str | None) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute(names.REAUTHENTICATION_OUTCOME, self.outcome)
        if error:
            self._span.set_attribute(names.ERROR_TYPE, error)
        if self.outcome != "succeeded":
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
