"""Panels of the dashboard, with explanations for the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.grafana.queries import (
    ACQUISITIONS,
    ATTEMPTED,
    BLOCK_REASON,
    BLOCKED,
    CALL_BUCKETS,
    CREDENTIAL,
    ERROR,
    EVICTIONS,
    EXPIRY,
    FAILURES,
    FETCH_BUCKETS,
    FETCHES,
    LIMIT,
    OUTCOME,
    REASON,
    REAUTH_OUTCOME,
    REAUTHENTICATIONS,
    RESPONSES,
    STATUS,
    STORE_BUCKETS,
    STORE_CIRCUIT,
    STORE_OUTCOME,
    STORE_OUTCOMES,
    USAGE,
    WAIT_BUCKETS,
    WAITERS,
    WITHOUT_TOKEN,
    bad_share,
    chosen,
    how_many,
    per_second,
    quantile,
)


def by(*labels: str) -> str:
    """Return a legend of the values of these labels."""
    return ", ".join(f"{{{{{label}}}}}" for label in labels)


NAME = by(CREDENTIAL)
"""The credential, in a legend."""

JOB = by("job")

OBJECTIVE = 0.999
"""The share of acquisitions that are to get a token, over 30 days."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, and the legend of its series."""

    expression: str
    legend: str = NAME


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the dashboard.

    Attributes:
        title: the title.
        description: explanation for the operator.
        unit: Grafana's name of the unit.
        queries: the queries.
        limits: values from which the panel turns yellow and red; falling if low values are bad.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Row of panels. They show the latest values if ``figures`` is True, else curves."""

    title: str
    panels: Sequence[Panel]
    figures: bool = False


AT_A_GLANCE = [
    Panel(
        "Acquisitions with a token",
        "Share of calls that got the token they needed, over the selected time. The objective is 99.9 % over 30 days.",
        "percentunit",
        [Query(f"1 - {bad_share('$__range')}")],
        limits=(0.9999, OBJECTIVE),
    ),
    Panel(
        "Clients without a token",
        "Clients that have no usable token, and whose last fetch failed, in all processes. The first good fetch ends it.",
        "short",
        [Query(f"sum by ({CREDENTIAL}) ({chosen(WITHOUT_TOKEN)})")],
        limits=(0.5, 1),
    ),
    Panel(
        "Budget burn of the last hour",
        "Rate of failed acquisitions, as a multiple of the allowed rate. At 1 the budget of 30 days lasts 30 days; at 14.4 "
        "an alert pages.",
        "short",
        [Query(f"{bad_share('1h')} / {1 - OBJECTIVE:.3f}")],
        limits=(1, 14.4),
    ),
    Panel(
        "Time until the first token expires",
        "Minimum over all processes. Below zero a token has expired: harmless in an idle process, an outage if calls fail.",
        "s",
        [Query(f"min by ({CREDENTIAL}) ({chosen(EXPIRY)}) - time()")],
        limits=(60, 0),
    ),
    Panel(
        "4xx budget in use",
        "4xx responses of a minute, of all processes and credentials of a job, as a share of the limit. Beyond the limit, "
        "the server blocks every call for a minute.",
        "percentunit",
        [Query(f"sum by (job) ({chosen(USAGE)} / {chosen(LIMIT)})", by("job"))],
        limits=(0.5, 0.8),
    ),
    Panel(
        "Re-authentications",
        "Rejected tokens that were replaced, over the selected time.",
        "short",
        [Query(how_many(REAUTHENTICATIONS, where=ATTEMPTED, window="$__range"))],
    ),
    Panel(
        "Processes",
        "Number of processes that send metrics. Each has its own tokens, unless they share a store.",
        "short",
        [Query(f"count by (job) (count by (job, instance) ({chosen(WITHOUT_TOKEN)}))", by("job"))],
    ),
]

TOKENS = [
    Panel(
        "Token acquisitions by outcome",
        "cached: from the cache, as nearly always. fetched: by the call itself. waited: for another call's fetch. "
        "cooling_down, failed: no token.",
        "ops",
        [Query(per_second(ACQUISITIONS, OUTCOME), by(CREDENTIAL, OUTCOME))],
    ),
    Panel(
        "Time until tokens expire",
        "One line for each process, which rises to the token's lifetime with each fetch. Below zero the process is idle, or "
        "gets no new token.",
        "s",
        [Query(f"min by (instance, {CREDENTIAL}) ({chosen(EXPIRY)}) - time()", by(CREDENTIAL, "instance"))],
    ),
    Panel(
        "Token fetches",
        "Fetches by reason: initial, expiring, rejected by the API, or forced. Prometheus does not see the first fetch of "
        "each reason in a process.",
        "short",
        [Query(how_many(FETCHES, REASON), by(CREDENTIAL, REASON))],
    ),
    Panel(
        "Failed token requests",
        "Each attempt counts when it fails. invalid_client: wrong credentials. 4xx, 429, 5xx, invalid_response, redirect: the "
        "endpoint answers something else. The other errors are of the network.",
        "short",
        [Query(how_many(FAILURES, ERROR), by(CREDENTIAL, ERROR))],
    ),
    Panel(
        "Duration of fetches",
        "All token requests of a fetch and the pauses between them. The call that started the fetch waits that long.",
        "s",
        [
            Query(quantile(0.5, FETCH_BUCKETS), f"{JOB}, median"),
            Query(quantile(0.95, FETCH_BUCKETS), f"{JOB}, 95 %"),
            Query(quantile(0.99, FETCH_BUCKETS), f"{JOB}, 99 %"),
        ],
    ),
    Panel(
        "Time that calls wait for another call's fetch",
        "Only calls that found no token in the cache and waited for a fetch in progress.",
        "s",
        [
            Query(quantile(0.5, WAIT_BUCKETS), f"{JOB}, median"),
            Query(quantile(0.95, WAIT_BUCKETS), f"{JOB}, 95 %"),
        ],
    ),
    Panel(
        "Waiting calls",
        "Calls that wait for a fetch now. A line that stays high means that the token endpoint does not answer.",
        "short",
        [Query(f"sum by ({CREDENTIAL}) ({chosen(WAITERS)})")],
    ),
    Panel(
        "Evicted tokens",
        "Calls use more scopes or audiences than token_cache_size holds tokens. Each evicted token costs a fetch when it is "
        "needed again: raise token_cache_size.",
        "short",
        [Query(how_many(EVICTIONS), JOB)],
    ),
]

CALLS = [
    Panel(
        "Responses of the API",
        "By status, or by error without a response. Responses that led to a re-authentication are included.",
        "reqps",
        [
            Query(per_second(RESPONSES, STATUS, where=f'{STATUS}!=""'), by(CREDENTIAL, STATUS)),
            Query(per_second(RESPONSES, ERROR, where=f'{ERROR}!=""'), by(CREDENTIAL, ERROR)),
        ],
    ),
    Panel(
        "Duration of HTTP requests",
        "Calls and token requests of the process. Empty without opentelemetry-instrumentation-httpx and "
        "OTEL_SEMCONV_STABILITY_OPT_IN=http.",
        "s",
        [
            Query(quantile(0.5, CALL_BUCKETS), f"{JOB}, median"),
            Query(quantile(0.99, CALL_BUCKETS), f"{JOB}, 99 %"),
        ],
    ),
    Panel(
        "4xx responses within a minute",
        "All selected processes, the token endpoint's responses included, and the limit. Credentials of one server share the "
        "limit.",
        "short",
        [
            Query(f"sum by ({CREDENTIAL}) ({chosen(USAGE)})"),
            Query(f"max by ({CREDENTIAL}) ({chosen(LIMIT)})", f"{NAME}, limit"),
        ],
    ),
    Panel(
        "Re-authentications by outcome",
        "A peak is a revocation; many in a row are a storm. rejected: the API rejected the new token too. not_attempted: a "
        "403 without an error code, which the rules ignore.",
        "short",
        [Query(how_many(REAUTHENTICATIONS, REAUTH_OUTCOME), by(CREDENTIAL, REAUTH_OUTCOME))],
    ),
    Panel(
        "Blocked requests",
        "Requests that were not sent: plain HTTP, a foreign origin, the caller's own Authorization header, the cool-down after "
        "a failed fetch, or the 4xx budget. The log names the client.",
        "short",
        [Query(how_many(BLOCKED, BLOCK_REASON), by("job", BLOCK_REASON))],
    ),
]

SHARED_STORE = [
    Panel(
        "Shared store by outcome",
        "hit: a token was taken from the store, which saved a token request. fallback: a fetch without the store. Empty if "
        "tokens are not shared.",
        "short",
        [Query(how_many(STORE_OUTCOMES, STORE_OUTCOME), by(CREDENTIAL, STORE_OUTCOME))],
    ),
    Panel(
        "Duration of shared store operations",
        "A fetch waits at most 0.25 s for the connection, and 0.25 s for the answer.",
        "s",
        [
            Query(quantile(0.5, STORE_BUCKETS), f"{JOB}, median"),
            Query(quantile(0.99, STORE_BUCKETS), f"{JOB}, 99 %"),
        ],
    ),
    Panel(
        "Processes without the shared store",
        "The store failed, so these processes fetch their own tokens. Calls still succeed; token requests increase.",
        "short",
        [Query(f"sum by ({CREDENTIAL}) ({chosen(STORE_CIRCUIT)})")],
    ),
]

ROWS = [
    Row("At a glance", AT_A_GLANCE, figures=True),
    Row("Tokens", TOKENS),
    Row("Calls", CALLS),
    Row("Shared store", SHARED_STORE),
]
