"""Queries of the dashboard: names of metrics, and the forms of the queries."""

from __future__ import annotations

CREDENTIAL = "prio_middleware_credential_name"
OUTCOME = "prio_middleware_token_acquisition_outcome"
REASON = "prio_middleware_token_fetch_reason"
REAUTH_OUTCOME = "prio_middleware_reauthentication_outcome"
BLOCK_REASON = "prio_middleware_request_block_reason"
STORE_OUTCOME = "prio_middleware_token_store_outcome"
STATUS = "http_response_status_code"
ERROR = "error_type"

ACQUISITIONS = "prio_middleware_token_acquisitions_total"
FETCHES = "prio_middleware_token_fetches_total"
FAILURES = "prio_middleware_token_request_failures_total"
WITHOUT_TOKEN = "prio_middleware_clients_without_token"
FETCH_BUCKETS = "prio_middleware_token_fetch_duration_seconds_bucket"
WAIT_BUCKETS = "prio_middleware_token_wait_duration_seconds_bucket"
WAITERS = "prio_middleware_token_waiters"
EVICTIONS = "prio_middleware_token_evictions_total"
EXPIRY = "prio_middleware_token_expiry_timestamp_seconds"
RESPONSES = "prio_middleware_responses_total"
REAUTHENTICATIONS = "prio_middleware_reauthentications_total"
BLOCKED = "prio_middleware_requests_blocked_total"
USAGE = "prio_middleware_client_error_usage"
LIMIT = "prio_middleware_client_error_limit"

CALL_BUCKETS = "http_client_request_duration_seconds_bucket"
"""Of OpenTelemetry's instrumentation of the HTTP library, with OTEL_SEMCONV_STABILITY_OPT_IN=http."""

STORE_BUCKETS = "prio_middleware_token_store_operation_duration_seconds_bucket"
STORE_OUTCOMES = "prio_middleware_token_store_outcomes_total"
STORE_CIRCUIT = "prio_middleware_token_store_circuit"

OF_PROCESSES = frozenset({FETCH_BUCKETS, WAIT_BUCKETS, STORE_BUCKETS, CALL_BUCKETS, EVICTIONS, BLOCKED})
"""Metrics without the client's name: they cover all clients of a process."""

CHOSEN_PROCESSES = 'job=~"$job", instance=~"$instance"'
CHOSEN = f'{CHOSEN_PROCESSES}, {CREDENTIAL}=~"$credential"'
"""Matchers of the variables at the top of the dashboard."""

BAD = f'{OUTCOME}=~"failed|cooling_down"'
"""Acquisitions without a token."""

ATTEMPTED = f'{REAUTH_OUTCOME}!="not_attempted"'
"""Rejections that led to a re-authentication."""


def chosen(metric: str, *matchers: str) -> str:
    """Return the selected series of ``metric``."""
    return f"{metric}{{{', '.join([CHOSEN_PROCESSES if metric in OF_PROCESSES else CHOSEN, *matchers])}}}"


def per_second(metric: str, *labels: str, where: str = "") -> str:
    """Return the rate of ``metric`` by ``labels`` and credential."""
    return f"sum by ({_names(metric, labels)}) (rate({chosen(metric, *filter(None, [where]))}[$__rate_interval]))"


def how_many(metric: str, *labels: str, where: str = "", window: str = "$__rate_interval") -> str:
    """Return the increase of ``metric`` within ``window`` by ``labels`` and credential, for rare events."""
    return f"sum by ({_names(metric, labels)}) (increase({chosen(metric, *filter(None, [where]))}[{window}]))"


def bad_share(window: str) -> str:
    """Return the share of acquisitions without a token within ``window``; no value without acquisitions."""
    return f"{how_many(ACQUISITIONS, where=BAD, window=window)} / ({how_many(ACQUISITIONS, window=window)} > 0)"


def quantile(of: float, buckets: str) -> str:
    """Return a quantile of a histogram for each job."""
    return f"histogram_quantile({of}, sum by (le, job) (rate({chosen(buckets)}[$__rate_interval])))"


def _names(metric: str, labels: tuple[str, ...]) -> str:
    return ", ".join(["job" if metric in OF_PROCESSES else CREDENTIAL, *labels])


_STATE = f"{WITHOUT_TOKEN}{{{CHOSEN}}}"
_RESTARTS = f'resets({ACQUISITIONS}{{{CHOSEN}, {OUTCOME}="cached"}}[1m])'
_FORCED = f'{FETCHES}{{{CHOSEN}, {REASON}="forced"}}'

ANNOTATIONS = {
    "Process started": ("blue", f"count by (job) ({_STATE} unless {_STATE} offset 1m) or sum by (job) ({_RESTARTS}) > 0"),
    "Credentials changed": (
        "purple",
        f"sum by (job, {CREDENTIAL}) ((increase({_FORCED}[1m]) > 0) or ({_FORCED} unless {_FORCED} offset 1m))",
    ),
}
"""Marks across all panels: color and query of each. A deployment starts processes; new credentials force a fetch."""
