"""Log records, at most one a minute for each client and kind of failure.

The fields of a record (``extra``) are named ``prio_event``, ``prio_client`` and so on.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from .._util.clock import now
from .._util.redaction import safe_url
from ..errors import (
    CredentialsRefusedError,
    DiscoveryError,
    InvalidTokenResponseError,
    PolicyError,
    PrioError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
    TokenUnchangedError,
)
from . import names
from .counters import IGNORED_403_LOG_SECONDS, NAMES_LIMIT
from .metrics import Telemetry, attached

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .counters import ClientCounters

CODES: Final = frozenset(
    [
        *("invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"),
        *("unsupported_grant_type", "unsupported_response_type", "access_denied", "server_error", "temporarily_unavailable"),
        *("invalid_token", "insufficient_scope", "invalid_target"),
    ]
)
"""The error codes of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1 and RFC 8707 §2."""

_BY_CAUSE: Final = {
    "unknown_host": "dns_error",
    "name_server": "dns_error",
    "untrusted_certificate": "tls_error",
    "tls": "tls_error",
    "timeout": "timeout",
    "connection_refused": "connection_refused",
    "connection": "connection_error",
}

_BY_CLASS: Final = {
    CredentialsRefusedError: "invalid_client",
    TokenRequestRefusedError: "4xx",
    InvalidTokenResponseError: "invalid_response",
    DiscoveryError: "invalid_response",
    TokenUnchangedError: names.UNCHANGED_TOKEN,
}


def error_type(error: BaseException | None) -> str:
    """Return the ``error.type`` of an error, one of ``FAILURES``, or ``CANCELLED`` for None, a cancelled caller."""
    status = getattr(error, "status_code", None) or 0
    if error is None:
        return names.CANCELLED
    if isinstance(error, TokenEndpointUnavailableError):
        unanswered = cause_type(error.cause) if error.cause else "timeout"
        return {0: unanswered, 429: "429"}.get(status, "5xx")
    if isinstance(error, InvalidTokenResponseError) and 300 <= status < 400:
        return "redirect"
    return next((_BY_CLASS[kind] for kind in type(error).__mro__ if kind in _BY_CLASS), names.OTHER_ERROR)


def cause_type(cause: str) -> str:
    """Return the ``error.type`` of a request without a response, by the :data:`~prio_middleware.oauth.token_response.Cause`."""
    return _BY_CAUSE.get(cause, names.OTHER_ERROR)


def rejection_type(code: object, status: object) -> str:
    """Return the reason of a re-authentication: the API's error code if it is a known one, else the status."""
    if isinstance(code, str) and code in CODES:
        return code
    return str(status) if isinstance(status, int) and 100 <= status <= 599 else names.OTHER_ERROR


logger = logging.getLogger("prio_middleware")


def log(level: int, message: str, *values: object, context: Context | None = None, **fields: Any) -> None:
    """Log a line with ``fields``, each prefixed with ``prio_``, in ``context``, so that exporters know the span.

    ``scripts/telemetry_reference.py`` lists the values of the field ``event``.
    """
    if not logger.isEnabledFor(level):
        return
    extra = {f"prio_{name}": value for name, value in fields.items()}
    with nullcontext() if context is None else attached(context):
        logger.log(level, message, *values, extra=extra, stacklevel=2)


REPEAT_SECONDS: Final = 60.0  # Seconds after a line of log_failure in which the client's same failure is only counted.
_FAILURES_LIMIT: Final = 1000
_TOKEN_FAILURES: Final = frozenset({"token_fetch", "token_request_failed", "failure_cooldown", "unavailable"})


class _Failure:
    """A failure that lasts: ``count`` events in all, of which ``left_out`` were not logged since the last line."""

    def __init__(self) -> None:
        self.next_line_at = now() + REPEAT_SECONDS
        self.count = 1
        self.left_out = 0


_failures: Final[dict[tuple[str | None, str, str], _Failure]] = {}


def log_failure(message: str, *values: object, context: Context | None = None, kind: str = "", **fields: Any) -> None:
    """Log a warning when a failure begins, and at most once a minute while it lasts, with the number of events left out.

    ``kind`` tells failures of one client and event apart, and has few values. The other arguments are those of :func:`log`.
    """
    key = (fields["client"], fields["event"], kind)
    if len(_failures) >= _FAILURES_LIMIT and key not in _failures:
        _failures.pop(next(iter(_failures)), None)
    begun = _Failure()
    failure = _failures.setdefault(key, begun)  # Of concurrent callers, one logs the beginning.
    if failure is not begun:
        failure.count += 1
        if now() < failure.next_line_at:
            failure.left_out += 1
            return
        message += f" {failure.left_out} more since the last such line."
        fields["left_out"], failure.left_out, failure.next_line_at = failure.left_out, 0, now() + REPEAT_SECONDS
    log(logging.WARNING, message, *values, context=context, **fields)


def end_token_failures(client: str) -> dict[str, int]:
    """End the client's failures to get a token, because it has one. Return the number of their log events, by event."""
    ended: dict[str, int] = {}
    for key in [key for key in list(_failures) if key[0] == client and key[1] in _TOKEN_FAILURES] if _failures else ():
        ended[key[1]] = ended.get(key[1], 0) + _failures.pop(key, _Failure()).count
    return ended


_logged_clients: Final[set[str]] = set()


def log_caller_authorization(client: str, url: object) -> None:
    """Log, once for each client, that a request keeps the caller's own ``Authorization`` header."""
    if client in _logged_clients or len(_logged_clients) >= NAMES_LIMIT:
        return
    _logged_clients.add(client)
    message = (
        "Client %r sent a request to %s with the caller's own Authorization header and without a token. "
        "If an SDK put a placeholder there, set caller_authorization to replace."
    )
    where = safe_url(url)
    log(logging.INFO, message, client, where, event="caller_authorization", client=client, url=where)


def forget() -> None:
    """Forget the logged clients and failures, for tests."""
    _logged_clients.clear()
    _failures.clear()


def count_blocked_request(error: PrioError, counters: ClientCounters, client: str) -> None:
    """Count and log a blocked request, if ``error`` means one."""
    reason = block_reason(error)
    if reason is None:
        return
    counters.count_blocked(reason)
    fields: dict[str, Any] = {"event": "blocked", "client": client, "reason": reason}
    if reason == "cooling_down":  # The cool-down was logged at its beginning.
        log(logging.DEBUG, "Client %r blocked a request. %s", client, error, **fields)
    else:
        log_failure("Client %r blocked a request. %s", client, error, kind=reason, **fields)


def block_reason(error: PrioError) -> str | None:
    """Return the reason for which the request was blocked. Return None if it was not."""
    if isinstance(error, PolicyError):
        return error.reason
    return "cooling_down" if isinstance(error, TokenError) and error.cooling_down else None


class Reauthentication:
    """Observer of a re-authentication. Its span is current inside the block. Use it in functions and coroutines only.

    ``status`` and ``code``, an error code or None, are those of the rejection.

    Attributes:
        outcome: one of :data:`~prio_middleware.telemetry.counters.REAUTHENTICATIONS`; ``failed`` until it is set.
    """

    _span: Span
    _context: Context
    _attached: AbstractContextManager[None]

    def __init__(self, telemetry: Telemetry, counters: ClientCounters, client: str, status: int, code: str | None) -> None:
        self._telemetry = telemetry
        self._counters = counters
        self._client = client
        self._status = status
        self._reason = rejection_type(code, status)
        self.outcome = "failed"

    def __enter__(self) -> Self:
        from opentelemetry import trace

        self._span = self._telemetry.tracer().start_span(
            names.REAUTHENTICATE,
            attributes={names.CLIENT: self._client, names.STATUS: self._status, names.REAUTHENTICATION_REASON: self._reason},
        )
        self._context = trace.set_span_in_context(self._span)
        self._attached = attached(self._context)
        self._attached.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._attached.__exit__(None, None, None)
        cancelled = error is not None and not isinstance(error, Exception)
        if not cancelled:
            self._counters.reauthentications[self.outcome] += 1
        self._log()
        self._end_span(error_type(None if cancelled else error) if error else None)

    def _log(self) -> None:
        message = "The API rejected the token of client %r (%s). Re-authentication: %s."
        values = (self._client, self._reason, self.outcome)
        fields: dict[str, Any] = {"event": "reauthentication", "client": self._client, "status": self._status}
        fields |= {"reason": self._reason, "outcome": self.outcome}
        if self.outcome == "succeeded":
            log(logging.INFO, message, *values, context=self._context, **fields)
        else:
            log_failure(message, *values, context=self._context, kind=self.outcome, **fields)

    def _end_span(self, error: str | None) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute(names.REAUTHENTICATION_OUTCOME, self.outcome)
        if error:
            self._span.set_attribute(names.ERROR_TYPE, error)
        if self.outcome != "succeeded":
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def count_ignored_403(counters: ClientCounters, client: str, method: str, url: object, seconds: float) -> None:
    """Count a 403 without an error code that leads to no retry, and log one in 60 ``seconds`` of a monotonic clock."""
    if not counters.count_ignored_403(seconds):
        return
    log(
        logging.WARNING,
        "The API answered %s %s of client %r with 403 and no error code. The token is kept. If such a 403 means that "
        'the token is dead, set renew_on = { 403 = "any" }. Not logged again for %.0f s.',
        *(method, safe_url(url), client, IGNORED_403_LOG_SECONDS),
        event="ignored_403",
        client=client,
        status=403,
    )
