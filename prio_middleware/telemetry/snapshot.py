"""Snapshot of one client's counts and token. Needs no OpenTelemetry, and holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .counters import ClientCounters, FetchRecord, client_name
from .providers import ReportsToken, TokenReport

__all__ = ["ClientSnapshot", "FetchRecord", "HasCounters", "snapshot"]


class HasCounters(Protocol):
    """Pipeline with a token provider and counters."""

    @property
    def provider(self) -> Any: ...
    @property
    def counters(self) -> ClientCounters: ...


@dataclass(frozen=True, slots=True)
class ClientSnapshot:
    """Counts of one client since this process started, and the state of its token, as in :class:`TokenReport`.

    The outcomes and reasons are those of the metrics. Known keys are present from 0 on.

    Attributes:
        acquisitions: calls that needed a token, by outcome.
        responses: responses by status.
        blocked: requests that were blocked before they were sent, by reason.
        reauthentications: by outcome.
        waiting: calls that wait for another call's fetch.
        fetches: the last 20 fetches, newest first.
        client_errors: 4xx responses within the last minute, the token endpoint's included.
        client_error_limit: 4xx responses that the server allows in a minute; None if unknown.
    """

    client: str
    acquisitions: Mapping[str, int]
    responses: Mapping[int, int]
    blocked: Mapping[str, int]
    reauthentications: Mapping[str, int]
    waiting: int
    fetches: tuple[FetchRecord, ...]
    client_errors: int
    client_error_limit: int | None
    lifetime: float | None
    expires_in: float | None
    cooldown_seconds: float | None


def snapshot(pipeline: HasCounters) -> ClientSnapshot:
    """Return the counts and the token state of the pipeline's client.

    Pipelines made from settings of one client name share their counts; so do all clients after the hundredth name.
    """
    counters, provider = pipeline.counters, pipeline.provider
    counters.check_fork()
    report = provider.report() if isinstance(provider, ReportsToken) else TokenReport()
    return ClientSnapshot(
        client=client_name(provider),
        acquisitions=dict(counters.acquisitions),
        responses=counters.responses(),
        blocked=dict(counters.blocked),
        reauthentications=dict(counters.reauthentications),
        waiting=counters.waiting,
        fetches=counters.fetches,
        client_errors=counters.client_errors.count(),
        client_error_limit=counters.client_error_limit,
        lifetime=report.lifetime,
        expires_in=report.expires_in,
        cooldown_seconds=report.cooldown_seconds,
    )
