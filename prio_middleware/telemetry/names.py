"""Names of spans, metrics and attributes. The reference page of telemetry is generated from this module."""

from __future__ import annotations

from typing import Final, NamedTuple

SCOPE: Final = "prio_middleware"
"""The instrumentation scope of all spans and metrics, and the name of the logger."""

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.30.0"
"""Semantic conventions of ``server.*``, ``error.type`` and ``http.response.status_code``."""

CLIENT: Final = "prio_middleware.credential.name"
FETCH_REASON: Final = "prio_middleware.token.fetch.reason"
FETCH_ATTEMPTS: Final = "prio_middleware.token.fetch.attempts"
TOKEN_EXPIRES_IN: Final = "prio_middleware.token.expires_in"
TOKEN_SOURCE: Final = "prio_middleware.token.source"
ACQUISITION_OUTCOME: Final = "prio_middleware.token.acquisition.outcome"
REAUTHENTICATION_REASON: Final = "prio_middleware.reauthentication.reason"
REAUTHENTICATION_OUTCOME: Final = "prio_middleware.reauthentication.outcome"
BLOCK_REASON: Final = "prio_middleware.request.block.reason"
STORE_OPERATION: Final = "prio_middleware.token_store.operation"
STORE_OUTCOME: Final = "prio_middleware.token_store.outcome"
STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

CANCELLED: Final = "cancelled"

OTHER_ERROR: Final = "_OTHER"

UNCHANGED_TOKEN: Final = "unchanged_token"

FAILURES: Final[dict[str, str]] = {
    "invalid_client": "the token endpoint rejects the client's credentials: `invalid_client`, or a 401 without a code",
    "4xx": "the token endpoint answered with another error code or 4xx status; the log has the code",
    "429": "the token endpoint answered 429",
    "5xx": "the server answered 5xx, 408, 425, `server_error` or `temporarily_unavailable`",
    "redirect": "the token endpoint redirects, which is not followed",
    "invalid_response": "the answer holds no usable token, or the metadata no usable token endpoint",
    "timeout": "no whole answer in time",
    "connection_refused": "the host refused the connection",
    "connection_error": "another network error: the connection was reset or closed, or the host or proxy is unreachable",
    "dns_error": "the host name cannot be resolved",
    "tls_error": "TLS failed, or the certificate is not trusted",
    UNCHANGED_TOKEN: "the token endpoint returned the token that the API had rejected",
    OTHER_ERROR: "an error that is none of these; the log has its text",
}
"""Values of ``error.type`` for a failed request. Rules, dashboard and runbooks name no others."""

ERROR_TYPES: Final = {**FAILURES, CANCELLED: "the caller was cancelled, or the fetch ended with its event loop"}
"""All values of ``error.type``."""

ATTRIBUTES: Final[dict[str, str]] = {
    CLIENT: "the client's name in the settings; metrics report at most `metric_client_limit` names, and further clients as "
    "`_other`",
    FETCH_REASON: "`initial`, `expiring`, `rejected` (the API rejected the token) or `forced` (new credentials)",
    FETCH_ATTEMPTS: "number of token requests, retries included",
    TOKEN_EXPIRES_IN: "lifetime of the new token in seconds",
    TOKEN_SOURCE: "`endpoint` (the token endpoint) or `shared` (the shared token store)",
    ACQUISITION_OUTCOME: "`cached` (from the cache), `fetched` (by this call), `waited` (for another call's fetch), "
    "`cooling_down` (no token: a fetch failed a moment ago) or `failed`",
    REAUTHENTICATION_REASON: "error code of the rejection (RFC 6749 or RFC 6750), else its status",
    REAUTHENTICATION_OUTCOME: "`succeeded`, `rejected`, `token_unavailable`, `unchanged`, "
    "`body_not_replayable`, `budget` or `failed`; "
    "`not_attempted` for a 403 without an error code that the rules ignore: the call was not retried",
    BLOCK_REASON: (
        "`plain_http`, `unsupported_protocol`, `foreign_origin`, `caller_authorization`, `cooling_down` or `budget`"
    ),
    STORE_OPERATION: "`read`, `acquire_lease`, `publish_token`, `publish_error` or `release_lease`",
    STORE_OUTCOME: "`hit` (a token was taken from the store), `published` (the store took a token), `not_stored` (the store "
    "did not take a token), `error` (an error of the token endpoint was taken from the store) or `fallback` (a fetch without "
    "the store)",
    STATUS: "status of the response; on a span, of the rejection; absent without a response",
    ERROR_TYPE: "see [error types](#error-types); absent after a success",
    SERVER_ADDRESS: "host of the token endpoint",
    SERVER_PORT: "port of the token endpoint",
}


class LogEvent(NamedTuple):
    """Kind of log line.

    Attributes:
        levels: levels of its lines.
        meaning: what it means.
        fields: further fields, without their prefix.
    """

    levels: str
    meaning: str
    fields: tuple[str, ...] = ("client",)


EVENTS: Final[dict[str, LogEvent]] = {
    "token_fetch": LogEvent(
        "INFO; WARNING if it failed, or ended a failure",
        "a fetch of a token ended; the line that ends a failure has `prio_failures`, the number of failed fetches",
        ("client", "reason", "outcome", "attempts", "duration", "source", "failures"),
    ),
    "token_request_failed": LogEvent(
        "WARNING",
        "the first attempt of a fetch failed, and the fetch goes on",
        ("client", "reason", "outcome", "duration"),
    ),
    "failure_cooldown": LogEvent("WARNING", "no token is requested for `prio_duration` seconds", ("client", "duration")),
    "unavailable": LogEvent("WARNING", "an application answered 503, because there was no token or no budget"),
    "reauthentication": LogEvent(
        "INFO; WARNING if it did not help", "the API rejected a token", ("client", "status", "reason", "outcome")
    ),
    "blocked": LogEvent(
        "WARNING; DEBUG for each call during a cool-down", "a request was blocked before it was sent", ("client", "reason")
    ),
    "ignored_403": LogEvent("WARNING", "a 403 without an error code led to no retry", ("client", "status")),
    "caller_authorization": LogEvent(
        "INFO", "a request keeps the caller's own `Authorization`; once for each client", ("client", "url")
    ),
    "redirect_without_token": LogEvent(
        "WARNING", "a call to an allowed origin goes without a token, because its redirect chain left the allowed origins"
    ),
    "inherited_client": LogEvent(
        "WARNING", "a forked child uses a client with open connections of its parent; once for each client and process"
    ),
    "started_without_token": LogEvent("WARNING", "an application started while the token endpoint was unreachable"),
    "no_lifespan": LogEvent("INFO", "an ASGI application has no lifespan of its own", ()),
    "waived_guard": LogEvent("WARNING", "a pipeline leaves out a guard, because `waive` names it"),
    "credentials_loaded": LogEvent("INFO", "new credentials are in use"),
    "credentials_kept": LogEvent("WARNING", "new credentials cannot be loaded, and the old ones stay in use"),
    "certificates_loaded": LogEvent("INFO", "new certificates are in use"),
    "certificates_not_checked": LogEvent("WARNING", "a client was made with `verify=False`", ("client",)),
    "certificates_kept": LogEvent("WARNING", "new certificates cannot be loaded, and the old ones stay in use"),
    "readable_secret_file": LogEvent("WARNING", "other users can read a secret file", ()),
    "short_secret": LogEvent("WARNING", "a client secret is too short to be masked in texts", ("client",)),
    "writable_settings_file": LogEvent("WARNING", "other users can write a settings file", ()),
    "token_endpoint_found": LogEvent("INFO", "discovery found another token endpoint"),
    "odd_expires_in": LogEvent("DEBUG", "the token endpoint's `expires_in` is no number"),
    "store_unavailable": LogEvent("WARNING", "the shared token store does not answer; each process fetches its own token"),
    "store_available": LogEvent(
        "WARNING", "the shared token store answers again, after `prio_failures` failures", ("client", "failures")
    ),
    "store_record_not_used": LogEvent("WARNING", "a record in the shared token store cannot be used"),
    "store_file_not_used": LogEvent("WARNING", "the shared token store's file cannot be used", ()),
}
"""Log events by ``prio_event``."""


class SpanKind(NamedTuple):
    """Kind of span: name, meaning and possible attributes."""

    name: str
    meaning: str
    attributes: tuple[str, ...]


FETCH: Final = SpanKind(
    "prio_middleware.token.fetch",
    "one fetch of a token, retries and pauses included; its HTTP spans are children. A refresh in the background is a root "
    "span with a link to the call that started it",
    (CLIENT, SERVER_ADDRESS, SERVER_PORT, FETCH_REASON, FETCH_ATTEMPTS, TOKEN_EXPIRES_IN, TOKEN_SOURCE, ERROR_TYPE),
)
WAIT: Final = SpanKind(
    "prio_middleware.token.wait",
    "a call that waited for another call's fetch, with a link to it",
    (CLIENT, ERROR_TYPE),
)
REAUTHENTICATE: Final = SpanKind(
    "prio_middleware.reauthenticate",
    "re-authentication after a rejected token: the new token and the retry",
    (CLIENT, STATUS, REAUTHENTICATION_REASON, REAUTHENTICATION_OUTCOME, ERROR_TYPE),
)
SPANS: Final = (FETCH, WAIT, REAUTHENTICATE)


class Metric(NamedTuple):
    """Metric: name, kind, unit (UCUM), meaning and attributes. One without the client's name covers the whole process."""

    name: str
    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...]


FETCH_DURATION: Final = Metric(
    "prio_middleware.token.fetch.duration",
    "histogram",
    "s",
    "Duration of token fetches.",
    (ERROR_TYPE,),
)
FETCHES: Final = Metric(
    "prio_middleware.token.fetches",
    "counter",
    "{fetch}",
    "Token fetches that ended, with or without a token, by reason.",
    (CLIENT, FETCH_REASON),
)
REQUEST_FAILURES: Final = Metric(
    "prio_middleware.token.request.failures",
    "counter",
    "{request}",
    "Failed token requests. Each attempt of a fetch counts when it fails.",
    (CLIENT, ERROR_TYPE),
)
WITHOUT_TOKEN: Final = Metric(
    "prio_middleware.clients.without_token",
    "updowncounter",
    "{client}",
    "Clients that have no usable token, and whose last fetch failed: 0 or 1 for one name, their number for `_other`.",
    (CLIENT,),
)
WAIT_DURATION: Final = Metric(
    "prio_middleware.token.wait.duration",
    "histogram",
    "s",
    "Time that calls waited for another call's fetch.",
    (ERROR_TYPE,),
)
ACQUIRED: Final = Metric(
    "prio_middleware.token.acquisitions",
    "counter",
    "{acquisition}",
    "Calls that needed a token, by outcome.",
    (CLIENT, ACQUISITION_OUTCOME),
)
WAITERS: Final = Metric(
    "prio_middleware.token.waiters",
    "updowncounter",
    "{caller}",
    "Calls that wait for another call's fetch now. Absent without any.",
    (CLIENT,),
)
EVICTED: Final = Metric(
    "prio_middleware.token.evictions",
    "counter",
    "{token}",
    "Tokens dropped because the cache holds `token_cache_size` of them. Each costs a fetch when it is needed again.",
    (),
)
EXPIRY: Final = Metric(
    "prio_middleware.token.expiry.timestamp",
    "gauge",
    "s",
    "Expiry of the current token in seconds since the epoch: of the token for calls without token options or, if there is "
    "none, of the token that lasts longest. Absent without a token.",
    (CLIENT,),
)
REAUTHENTICATED: Final = Metric(
    "prio_middleware.reauthentications",
    "counter",
    "{reauthentication}",
    "Re-authentications after a rejected token, by outcome, and 403s without an error code that led to none.",
    (CLIENT, REAUTHENTICATION_OUTCOME),
)
RESPONSES: Final = Metric(
    "prio_middleware.responses",
    "counter",
    "{response}",
    "Responses to calls, retries after re-authentication included, and calls without a response, by error.",
    (CLIENT, STATUS, ERROR_TYPE),
)
BLOCKED: Final = Metric(
    "prio_middleware.requests.blocked",
    "counter",
    "{request}",
    "Requests that were blocked before they were sent. The log names the client.",
    (BLOCK_REASON,),
)
ERROR_USAGE: Final = Metric(
    "prio_middleware.client_error.usage",
    "updowncounter",
    "{response}",
    "4xx responses within the last minute, the token endpoint's included. Absent without any.",
    (CLIENT,),
)
ERROR_LIMIT: Final = Metric(
    "prio_middleware.client_error.limit",
    "gauge",
    "{response}",
    "4xx responses in a minute that the server allows before it blocks the client. Absent if unknown, or without any.",
    (CLIENT,),
)
STORE_DURATION: Final = Metric(
    "prio_middleware.token_store.operation.duration",
    "histogram",
    "s",
    "Duration of operations of the shared token store.",
    (STORE_OPERATION, ERROR_TYPE),
)
STORE_OUTCOMES: Final = Metric(
    "prio_middleware.token_store.outcomes",
    "counter",
    "{outcome}",
    "Outcomes of the shared token store. Absent without one.",
    (CLIENT, STORE_OUTCOME),
)
STORE_CIRCUIT: Final = Metric(
    "prio_middleware.token_store.circuit",
    "gauge",
    "{circuit}",
    "1 while the circuit breaker of the shared token store is open or half open, else 0. Absent without a store.",
    (CLIENT,),
)
METRICS: Final[tuple[Metric, ...]] = tuple(metric for metric in list(globals().values()) if isinstance(metric, Metric))
"""All metrics above, in their order."""
