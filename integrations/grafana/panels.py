"""The panels of the dashboard: what each shows, and what to make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.grafana.queries import (
    ACQUISITIONS,
    CREDENTIAL,
    ERROR,
    EXPIRY,
    FETCH_BUCKETS,
    FETCHES,
    LIMIT,
    OUTCOME,
    REASON,
    REAUTHENTICATIONS,
    REFUSED_FOR,
    REJECTED,
    RESPONSES,
    SECOND_TRY,
    STATUS,
    STORE_BUCKETS,
    STORE_CIRCUIT,
    STORE_OUTCOME,
    STORE_OUTCOMES,
    USAGE,
    WAIT_BUCKETS,
    WAITERS,
    bad_share,
    chosen,
    how_many,
    per_second,
    quantile,
)


def by(*labels: str) -> str:
    """A legend of the values of these labels."""
    return ", ".join(f"{{{{{label}}}}}" for label in labels)


NAME = by(CREDENTIAL)
"""The credential, in a legend."""

OBJECTIVE = 0.999
"""The share of acquisitions that are to get a token, over 30 days."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, and what its series are called."""

    expression: str
    legend: str = NAME


@dataclass(frozen=True, slots=True)
class Look:
    """One panel.

    Attributes:
        title: what it shows.
        description: what to make of it.
        unit: Grafana's name of the unit.
        queries: what it asks.
        limits: a value from which it is worth a look, and one from which it is bad; the other way round where less is worse.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that stand together: the latest values in large, or curves."""

    title: str
    looks: Sequence[Look]
    figures: bool = False


AT_A_GLANCE = [
    Look(
        "Acquisitions with a token",
        "Of all calls that needed a token, how many had one, over the time chosen above. The objective is 99.9 % over 30 days.",
        "percentunit",
        [Query(f"1 - {bad_share('$__range')}")],
        limits=(0.9999, OBJECTIVE),
    ),
    Look(
        "Budget burn of the last hour",
        "How many times faster than allowed acquisitions fail. At 1 the budget of 30 days lasts as long; at 14.4 "
        "somebody is paged.",
        "short",
        [Query(f"{bad_share('1h')} / {1 - OBJECTIVE:.3f}")],
        limits=(1, 14.4),
    ),
    Look(
        "Until the first token expires",
        "Of all processes. Below zero it has expired: that is fine where nothing is asked for, and an outage where calls fail.",
        "s",
        [Query(f"min by ({CREDENTIAL}) ({chosen(EXPIRY)}) - time()")],
        limits=(60, 0),
    ),
    Look(
        "4xx budget in use",
        "4xx answers of a minute, of all processes and credentials of a job, against the limit. Beyond it, the vendor "
        "blocks every call for a minute.",
        "percentunit",
        [Query(f"sum by (job) ({chosen(USAGE)} / {chosen(LIMIT)})", by("job"))],
        limits=(0.5, 0.8),
    ),
    Look(
        "Re-authentications",
        "Refusals that were taken for a dead token, over the time chosen above.",
        "short",
        [Query(how_many(REAUTHENTICATIONS, window="$__range"))],
    ),
    Look(
        "Processes",
        "How many processes send metrics. Each has tokens of its own, unless they share a store.",
        "short",
        [Query(f"count by (job) (count by (job, instance) ({chosen(USAGE)}))", by("job"))],
    ),
]

TOKENS = [
    Look(
        "How calls came by their token",
        "Fresh: a token was there, as nearly always. Led: fetched one. Joined: waited for another's fetch. Held back, "
        "failed: none.",
        "ops",
        [Query(per_second(ACQUISITIONS, OUTCOME), by(CREDENTIAL, OUTCOME))],
    ),
    Look(
        "Until tokens expire",
        "One line for each process: a saw whose teeth are as high as a token's life. Below zero it belongs to an idle "
        "process, or to "
        "one that gets no new token.",
        "s",
        [Query(f"min by (instance, {CREDENTIAL}) ({chosen(EXPIRY)}) - time()", by(CREDENTIAL, "instance"))],
    ),
    Look(
        "Token fetches",
        "Why a token was fetched: initial, expiring, rejected by the API, or forced. The first of a process of each kind "
        "is not seen.",
        "short",
        [Query(how_many(FETCHES, REASON), by(CREDENTIAL, REASON))],
    ),
    Look(
        "Failed fetches",
        "By the error code of RFC 6749, the status, or the class of the error. The first of a process of each kind is "
        "not seen.",
        "short",
        [Query(how_many(FETCHES, ERROR, where=f'{ERROR}!=""'), by(CREDENTIAL, ERROR))],
    ),
    Look(
        "How long a fetch takes",
        "All tries of a fetch and the pauses between them. The caller who leads it waits that long.",
        "s",
        [
            Query(quantile(0.5, FETCH_BUCKETS), f"{NAME}, median"),
            Query(quantile(0.95, FETCH_BUCKETS), f"{NAME}, 95 %"),
            Query(quantile(0.99, FETCH_BUCKETS), f"{NAME}, 99 %"),
        ],
    ),
    Look(
        "How long callers wait for another's fetch",
        "Of those who did not find a token and joined a fetch that was under way.",
        "s",
        [
            Query(quantile(0.5, WAIT_BUCKETS), f"{NAME}, median"),
            Query(quantile(0.95, WAIT_BUCKETS), f"{NAME}, 95 %"),
        ],
    ),
    Look(
        "Callers who wait",
        "Those who wait for a fetch at this moment. A line that stays up is a token endpoint that does not answer.",
        "short",
        [Query(f"sum by ({CREDENTIAL}) ({chosen(WAITERS)})")],
    ),
]

CALLS = [
    Look(
        "Responses of the API",
        "By status, refusals that were answered with a second try included.",
        "reqps",
        [Query(per_second(RESPONSES, STATUS), by(CREDENTIAL, STATUS))],
    ),
    Look(
        "4xx answers within a minute",
        "Of all processes that are chosen, the token endpoint's answers included, and the limit. Credentials of one server "
        "share it.",
        "short",
        [
            Query(f"sum by ({CREDENTIAL}) ({chosen(USAGE)})"),
            Query(f"max by ({CREDENTIAL}) ({chosen(LIMIT)})", f"{NAME}, limit"),
        ],
    ),
    Look(
        "Re-authentications by outcome",
        "Refusals that were taken for a dead token, by how the second try ended. A peak is a revocation; many in a row, "
        "a storm.",
        "short",
        [Query(how_many(REAUTHENTICATIONS, SECOND_TRY), by(CREDENTIAL, SECOND_TRY))],
    ),
    Look(
        "Requests refused here",
        "They never left: plain HTTP, a foreign origin, held back after a failed fetch, or beyond the 4xx budget.",
        "short",
        [Query(how_many(REJECTED, REFUSED_FOR), by(CREDENTIAL, REFUSED_FOR))],
    ),
]

SHARED_STORE = [
    Look(
        "What the shared store was good for",
        "Helped: a token was taken from it, and a token request saved. Alone: a fetch was made without it. Empty where "
        "tokens are not shared.",
        "short",
        [Query(how_many(STORE_OUTCOMES, STORE_OUTCOME), by(CREDENTIAL, STORE_OUTCOME))],
    ),
    Look(
        "How long the shared store takes",
        "A quarter of a second to connect and as much to answer are the most that a fetch waits for it.",
        "s",
        [
            Query(quantile(0.5, STORE_BUCKETS), f"{NAME}, median"),
            Query(quantile(0.99, STORE_BUCKETS), f"{NAME}, 99 %"),
        ],
    ),
    Look(
        "Processes that leave the shared store alone",
        "It failed them, so each fetches for itself. No call fails for it; token requests grow more.",
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
