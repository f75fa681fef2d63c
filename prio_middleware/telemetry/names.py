"""Names of spans, metrics and attributes. ``scripts/telemetry_reference.py`` describes them."""

from __future__ import annotations

from typing import Final, NamedTuple

SCOPE: Final = "prio_middleware"  # The instrumentation scope of all spans and metrics, and the name of the logger.
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.30.0"  # Of server.*, error.type and http.response.status_code.

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

FAILURES: Final = (
    "invalid_client",
    "4xx",
    "429",
    "5xx",
    "redirect",
    "invalid_response",
    "timeout",
    "connection_refused",
    "connection_error",
    "dns_error",
    "tls_error",
    UNCHANGED_TOKEN,
    OTHER_ERROR,
)
"""Values of ``error.type`` for a failed request. Rules, dashboard and runbooks name no others."""

# Spans.
FETCH: Final = "prio_middleware.token.fetch"
WAIT: Final = "prio_middleware.token.wait"
REAUTHENTICATE: Final = "prio_middleware.reauthenticate"


class Metric(NamedTuple):
    """Metric: name, kind, unit (UCUM), meaning and attributes. One without the client's name covers the whole process."""

    name: str
    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...]


FETCH_DURATION: Final = Metric(
    "prio_middleware.token.fetch.duration", "histogram", "s", "Duration of token fetches.", (ERROR_TYPE,)
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
    "prio_middleware.token.wait.duration", "histogram", "s", "Time that calls waited for another call's fetch.", (ERROR_TYPE,)
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
