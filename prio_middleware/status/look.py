"""What this process knows of its clients: looked at, without a request and without a secret."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..build import pipeline_for
from ..readiness import readiness
from ..telemetry.snapshot import snapshot
from ..text import safe_url
from .condition import condition
from .model import Client, ClientErrors, Fetch, Status, Store, Token
from .process import this_process

if TYPE_CHECKING:
    from ..readiness import ClientReadiness
    from ..settings import Settings
    from ..telemetry.snapshot import ClientSnapshot


@dataclass(frozen=True, slots=True)
class _Clients:
    settings: Settings


def look(settings: Settings) -> Status:
    """What this process knows of the clients that ``settings`` configure.

    Raises:
        ConfigurationError: a client cannot be made.
    """
    states = readiness(_Clients(settings)).clients
    pipelines = {name: pipeline_for(settings.client(name)) for name in states}
    clients = tuple(
        client_status(name, states[name], snapshot(pipeline), shared_store(pipeline.provider))
        for name, pipeline in pipelines.items()
    )
    return Status(round(time.time(), 3), this_process(), clients)


def shared_store(provider: Any) -> Store | None:
    """What the token provider says of the store where it shares its token."""
    # A token provider of somebody else's need not tell.
    report = provider.store_report() if hasattr(provider, "store_report") else None
    if report is None or report.kind == "memory":
        return None
    return Store(**{part.name: getattr(report, part.name) for part in fields(Store)})


def client_status(name: str, state: ClientReadiness, seen: ClientSnapshot, store: Store | None = None) -> Client:
    """What there is to show of one client."""
    errors = ClientErrors(seen.client_errors, seen.client_error_limit)
    return Client(
        name=name,
        condition=condition(state, errors, store),
        token=Token(
            source=None if state.source is None else safe_url(state.source),
            lifetime=_seconds(seen.lifetime),
            expires_in=_seconds(seen.expires_in),
            held_back=_seconds(seen.held_back),
        ),
        waiting=seen.waiting,
        responses={str(status): number for status, number in sorted(seen.responses.items()) if number},
        acquisitions=dict(seen.acquisitions),
        reauthentications=dict(seen.reauthentications),
        rejected=dict(seen.rejected),
        client_errors=errors,
        fetches=tuple(
            Fetch(round(fetch.at, 3), round(fetch.duration, 4), fetch.reason, fetch.outcome, fetch.attempts, fetch.source)
            for fetch in seen.fetches
        ),
        store=store,
    )


def _seconds(value: float | None) -> float | None:
    """Cut to tenths. What JSON cannot say is left out: a token that never expires has no lifetime."""
    return round(value, 1) if value is not None and math.isfinite(value) else None
