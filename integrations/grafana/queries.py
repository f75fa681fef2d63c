"""What the dashboard asks Prometheus: the names of the metrics, and the few shapes that its queries have."""

from __future__ import annotations

CREDENTIAL = "prio_middleware_credential_name"
OUTCOME = "prio_middleware_token_acquisition_outcome"
REASON = "prio_middleware_token_fetch_reason"
SECOND_TRY = "prio_middleware_reauthentication_outcome"
REFUSED_FOR = "prio_middleware_request_rejection_reason"
STORE_OUTCOME = "prio_middleware_token_store_outcome"
STATUS = "http_response_status_code"
ERROR = "error_type"

ACQUISITIONS = "prio_middleware_token_acquisitions_total"
FETCHES = "prio_middleware_token_fetch_duration_seconds_count"
FETCH_BUCKETS = "prio_middleware_token_fetch_duration_seconds_bucket"
WAIT_BUCKETS = "prio_middleware_token_wait_duration_seconds_bucket"
WAITERS = "prio_middleware_token_waiters"
EXPIRY = "prio_middleware_token_expiry_timestamp_seconds"
RESPONSES = "prio_middleware_responses_total"
REAUTHENTICATIONS = "prio_middleware_reauthentications_total"
REJECTED = "prio_middleware_requests_rejected_total"
USAGE = "prio_middleware_client_error_usage"
LIMIT = "prio_middleware_client_error_limit"

STORE_BUCKETS = "prio_middleware_token_store_operation_duration_seconds_bucket"
STORE_OUTCOMES = "prio_middleware_token_store_outcomes_total"
STORE_CIRCUIT = "prio_middleware_token_store_circuit"

CHOSEN = f'job=~"$job", instance=~"$instance", {CREDENTIAL}=~"$credential"'
"""What the variables at the top of the dashboard choose."""

BAD = f'{OUTCOME}=~"failed|held_back"'
"""Acquisitions without a token."""


def chosen(metric: str, *matchers: str) -> str:
    """The series of ``metric`` that are looked at."""
    return f"{metric}{{{', '.join([CHOSEN, *matchers])}}}"


def per_second(metric: str, *labels: str) -> str:
    """How often something happens, by ``labels`` and credential."""
    return f"sum by ({_names(labels)}) (rate({chosen(metric)}[$__rate_interval]))"


def how_many(metric: str, *labels: str, where: str = "", window: str = "$__rate_interval") -> str:
    """How often something happened within ``window``, by ``labels`` and credential: for what is rare."""
    return f"sum by ({_names(labels)}) (increase({chosen(metric, *filter(None, [where]))}[{window}]))"


def bad_share(window: str) -> str:
    """The share of acquisitions without a token within ``window``; nothing where there was none at all."""
    return f"{how_many(ACQUISITIONS, where=BAD, window=window)} / ({how_many(ACQUISITIONS, window=window)} > 0)"


def quantile(of: float, buckets: str) -> str:
    """A quantile of a histogram, for each credential."""
    return f"histogram_quantile({of}, sum by (le, {CREDENTIAL}) (rate({chosen(buckets)}[$__rate_interval])))"


def _names(labels: tuple[str, ...]) -> str:
    return ", ".join([CREDENTIAL, *labels])
