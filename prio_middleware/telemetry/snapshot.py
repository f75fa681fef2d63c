"""What is known of one client now, for whoever looks at it in this process: needs no OpenTelemetry, and holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .tally import LEDGER, FetchSeen, Tally, name_of

__all__ = ["ClientSnapshot", "FetchSeen", "HasTally", "snapshot"]


class HasTally(Protocol):
    """A pipeline."""

    @property
    def provider(self) -> Any: ...
    @property
    def tally(self) -> Tally: ...


@dataclass(frozen=True, slots=True)
class ClientSnapshot:
    """One look at one client, since this process began. Keys that matter are there from the start, at 0.

    Attributes:
        client: its name.
        acquisitions: how calls came by their token: fresh, led, joined, held_back, failed.
        responses: responses by status.
        rejected: requests that were refused here, by reason: plain_http, foreign_origin, held_back, budget.
        reauthentications: by outcome: succeeded, refused, token_unavailable, body_not_replayable, budget, failed.
        waiting: callers who wait for somebody else's fetch.
        fetches: the last 20, newest first.
        client_errors: 4xx answers within the last minute, the token endpoint's included.
        client_error_limit: how many of these the server takes in a minute; None: it is not known.
        lifetime: seconds that the present token was good for when it was asked for; None: there is none.
        expires_in: seconds until it expires, not positive once it has; None: there is none.
        held_back: seconds for which no token is asked for, because of the last failure; None: it is not so.
    """

    client: str
    acquisitions: Mapping[str, int]
    responses: Mapping[int, int]
    rejected: Mapping[str, int]
    reauthentications: Mapping[str, int]
    waiting: int
    fetches: tuple[FetchSeen, ...]
    client_errors: int
    client_error_limit: int | None
    lifetime: float | None
    expires_in: float | None
    held_back: float | None


def snapshot(pipeline: HasTally) -> ClientSnapshot:
    """What is known now of the client whose pipeline this is.

    Clients of one name share their counts, and so do all that came when there were a hundred names already.
    """
    LEDGER.look_for_fork()
    tally, provider = pipeline.tally, pipeline.provider
    # A token provider of somebody else's need not tell.
    report = provider.report() if hasattr(provider, "report") else None
    return ClientSnapshot(
        client=name_of(provider),
        acquisitions=dict(tally.acquisitions),
        responses=tally.responses(),
        rejected=dict(tally.rejected),
        reauthentications=dict(tally.reauthentications),
        waiting=tally.waiting,
        fetches=tuple(tally.fetches),
        client_errors=tally.client_errors.count(),
        client_error_limit=tally.client_error_limit,
        lifetime=report and report.lifetime,
        expires_in=report and report.expires_in,
        held_back=report and report.held_back,
    )
