"""Every name that telemetry uses: spans, metrics, attributes. The reference page in the documentation is held to this."""

from __future__ import annotations

from typing import Final, NamedTuple

SCOPE: Final = "prio_middleware"
"""The instrumentation scope of all spans and metrics, and the name of the logger."""

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.30.0"
"""The semantic conventions that ``server.*``, ``error.type`` and ``http.response.status_code`` are taken from."""

CLIENT: Final = "prio_middleware.credential.name"
FETCH_REASON: Final = "prio_middleware.token.fetch.reason"
FETCH_ATTEMPTS: Final = "prio_middleware.token.fetch.attempts"
TOKEN_EXPIRES_IN: Final = "prio_middleware.token.expires_in"
TOKEN_SOURCE: Final = "prio_middleware.token.source"
ACQUISITION_OUTCOME: Final = "prio_middleware.token.acquisition.outcome"
REAUTHENTICATION_REASON: Final = "prio_middleware.reauthentication.reason"
REAUTHENTICATION_OUTCOME: Final = "prio_middleware.reauthentication.outcome"
REJECTION_REASON: Final = "prio_middleware.request.rejection.reason"
STORE_OPERATION: Final = "prio_middleware.token_store.operation"
STORE_OUTCOME: Final = "prio_middleware.token_store.outcome"
STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

ATTRIBUTES: Final[dict[str, str]] = {
    CLIENT: "the client's name in the settings; in metrics at most 100 of them, then `_other`",
    FETCH_REASON: "`initial`, `expiring`, `rejected` (a server refused the token) or `forced` (new credentials)",
    FETCH_ATTEMPTS: "token requests that the fetch made, retries included",
    TOKEN_EXPIRES_IN: "seconds that the new token is good for",
    TOKEN_SOURCE: "`endpoint` or `shared`",
    ACQUISITION_OUTCOME: "`fresh`, `led`, `joined`, `held_back` or `failed`",
    REAUTHENTICATION_REASON: "what the refusal said: a code of RFC 6749 or RFC 6750, else its status",
    REAUTHENTICATION_OUTCOME: "`succeeded`, `refused`, `token_unavailable`, `body_not_replayable`, `budget` or `failed`",
    REJECTION_REASON: "`plain_http`, `foreign_origin`, `held_back` or `budget`",
    STORE_OPERATION: "`look`, `lead`, `publish`, `refuse` or `release`",
    STORE_OUTCOME: "`helped`, `published`, `kept_back`, `refusals` or `alone`",
    STATUS: "the status of the response; on a span, of the refusal",
    ERROR_TYPE: "a code of RFC 6749 or RFC 6750, else the status, else an error of this library, else `_OTHER`",
    SERVER_ADDRESS: "the token endpoint's host",
    SERVER_PORT: "the token endpoint's port",
}


class SpanKind(NamedTuple):
    """A kind of span: its name, what it is, and the attributes it may have."""

    name: str
    meaning: str
    attributes: tuple[str, ...]


FETCH: Final = SpanKind(
    "prio_middleware.token.fetch",
    "one fetch of a token, retries and pauses included; its HTTP spans are children. A refresh ahead of time is a root span "
    "with a link to the call that started it",
    (CLIENT, SERVER_ADDRESS, SERVER_PORT, FETCH_REASON, FETCH_ATTEMPTS, TOKEN_EXPIRES_IN, TOKEN_SOURCE, ERROR_TYPE),
)
WAIT: Final = SpanKind(
    "prio_middleware.token.wait",
    "a call that waited for another call's fetch, with a link to it",
    (CLIENT, ERROR_TYPE),
)
REAUTHENTICATE: Final = SpanKind(
    "prio_middleware.reauthenticate",
    "what follows a refusal: the new token and the second try",
    (CLIENT, STATUS, REAUTHENTICATION_REASON, REAUTHENTICATION_OUTCOME, ERROR_TYPE),
)
SPANS: Final = (FETCH, WAIT, REAUTHENTICATE)


class Metric(NamedTuple):
    """A metric: its name, kind and unit (UCUM), what it is, and its attributes."""

    name: str
    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...]


FETCH_DURATION: Final = Metric(
    "prio_middleware.token.fetch.duration",
    "histogram",
    "s",
    "Duration of fetches of a token.",
    (CLIENT, FETCH_REASON, TOKEN_SOURCE, ERROR_TYPE),
)
WAIT_DURATION: Final = Metric(
    "prio_middleware.token.wait.duration",
    "histogram",
    "s",
    "Time that calls waited for another call's fetch.",
    (CLIENT, ERROR_TYPE),
)
ACQUIRED: Final = Metric(
    "prio_middleware.token.acquisitions",
    "counter",
    "{acquisition}",
    "Calls that needed a token, by how they came by it.",
    (CLIENT, ACQUISITION_OUTCOME),
)
WAITERS: Final = Metric(
    "prio_middleware.token.waiters",
    "updowncounter",
    "{caller}",
    "Calls that wait for another call's fetch now.",
    (CLIENT,),
)
EXPIRY: Final = Metric(
    "prio_middleware.token.expiry.timestamp",
    "gauge",
    "s",
    "When the present token expires, in seconds since the epoch: that of calls without options of their own or, where there "
    "are none, the one that lasts longest. Absent where there is no token.",
    (CLIENT,),
)
REAUTHENTICATED: Final = Metric(
    "prio_middleware.reauthentications",
    "counter",
    "{reauthentication}",
    "Refusals that were answered with a second try, by how it ended.",
    (CLIENT, REAUTHENTICATION_OUTCOME),
)
RESPONSES: Final = Metric(
    "prio_middleware.responses",
    "counter",
    "{response}",
    "Responses to calls, second tries included.",
    (CLIENT, STATUS),
)
REJECTED: Final = Metric(
    "prio_middleware.requests.rejected",
    "counter",
    "{request}",
    "Requests that were refused here, and not sent.",
    (CLIENT, REJECTION_REASON),
)
ERROR_USAGE: Final = Metric(
    "prio_middleware.client_error.usage",
    "updowncounter",
    "{response}",
    "4xx answers within the last minute, the token endpoint's included.",
    (CLIENT,),
)
ERROR_LIMIT: Final = Metric(
    "prio_middleware.client_error.limit",
    "gauge",
    "{response}",
    "4xx answers in a minute after which the server shuts the client out, where that is known.",
    (CLIENT,),
)
STORE_DURATION: Final = Metric(
    "prio_middleware.token_store.operation.duration",
    "histogram",
    "s",
    "Duration of operations of a shared token store.",
    (CLIENT, STORE_OPERATION, ERROR_TYPE),
)
STORE_OUTCOMES: Final = Metric(
    "prio_middleware.token_store.outcomes",
    "counter",
    "{outcome}",
    "What a shared token store was good for: tokens and refusals that were taken from it, tokens that it took or did not take, "
    "and fetches that were made without it. Absent where there is none.",
    (CLIENT, STORE_OUTCOME),
)
STORE_CIRCUIT: Final = Metric(
    "prio_middleware.token_store.circuit",
    "gauge",
    "{circuit}",
    "1 while a shared token store is left alone because it failed, else 0. Absent where there is none.",
    (CLIENT,),
)
METRICS: Final = (
    FETCH_DURATION,
    WAIT_DURATION,
    ACQUIRED,
    WAITERS,
    EXPIRY,
    REAUTHENTICATED,
    RESPONSES,
    REJECTED,
    ERROR_USAGE,
    ERROR_LIMIT,
    STORE_DURATION,
    STORE_OUTCOMES,
    STORE_CIRCUIT,
)
