"""Whether this process can serve: decided from what the token providers know, without a request and without a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .build import pipeline_for
from .tokens.report import TokenReport
from .tokens.shared.report import StoreReport

if TYPE_CHECKING:
    from .errors import TokenError
    from .settings import ClientSettings, Settings

FAILURE_COUNTS = 30.0
"""Seconds for which a failed fetch counts. Without calls a process never learns that the endpoint is back, and without being
ready it gets no calls."""


class HasSettings(Protocol):
    """The clients that a drop-in hands out, sync or async."""

    @property
    def settings(self) -> Settings: ...


@dataclass(frozen=True, slots=True)
class ClientReadiness:
    """What this process knows of one client's token.

    Attributes:
        ready: a call made now can be expected to have a token.
        expires_in: seconds for which the token is good, not positive once it has expired; None: there is none.
        failure: the code of what the last fetch failed with; None: it did not fail.
        failed_ago: seconds since then.
        held_back: seconds for which no other fetch is made.
        source: the URL that tokens come from; None: they come from somewhere else.
        store: where tokens are kept. One that is shared and cannot be reached costs the sharing, not the readiness; None: it is
            not known.
    """

    ready: bool
    expires_in: float | None = None
    failure: str | None = None
    failed_ago: float | None = None
    held_back: float | None = None
    source: str | None = None
    store: StoreReport | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What this process knows of its clients; other processes may know better."""

    clients: Mapping[str, ClientReadiness]

    @property
    def ready(self) -> bool:
        """Every client is."""
        return all(client.ready for client in self.clients.values())

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON has it, with seconds cut to tenths."""
        return {"ready": self.ready, "clients": {name: _shown(client) for name, client in self.clients.items()}}


class ReadinessAnswer(NamedTuple):
    """An HTTP answer that says it."""

    status: int
    headers: dict[str, str]
    body: bytes


def readiness(clients: HasSettings, *names: str) -> Readiness:
    """Whether the clients of this process can serve: nothing is fetched to find out.

    Args:
        clients: what a drop-in hands out: ``request.state.prio_clients``, say.
        names: the clients that matter; all of them if left out.

    Raises:
        ConfigurationError: there is no client of that name.
    """
    settings = clients.settings
    return Readiness({name: _look(settings.client(name)) for name in names or settings.clients})


def is_ready(report: TokenReport) -> bool:
    """Whether a call made now can be expected to have a token.

    An idle client whose token has expired is ready, and so is one whose token is still good though the endpoint fails: or
    every process would go out of rotation at once.
    """
    if report.is_usable or report.failed_ago is None:
        return True
    return report.held_back is None and report.failed_ago >= FAILURE_COUNTS


def answer(state: Readiness) -> ReadinessAnswer:
    """200 where every client is ready, else 503, and the details as JSON."""
    body = json.dumps(state.as_dict()).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    return ReadinessAnswer(200 if state.ready else 503, headers, body)


def _look(settings: ClientSettings) -> ClientReadiness:
    provider = pipeline_for(settings).provider
    # A token provider of somebody else's need not tell.
    report: TokenReport = provider.report() if hasattr(provider, "report") else TokenReport()
    return ClientReadiness(
        ready=is_ready(report),
        expires_in=report.expires_in,
        failure=None if report.failure is None else _code(report.failure),
        failed_ago=report.failed_ago,
        held_back=report.held_back,
        source=getattr(provider, "token_url", None),
        store=provider.store_report() if hasattr(provider, "store_report") else None,
    )


def _code(failure: TokenError) -> str:
    return failure.code or type(failure).__name__


def _shown(client: ClientReadiness) -> dict[str, Any]:
    return {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(client).items()}
