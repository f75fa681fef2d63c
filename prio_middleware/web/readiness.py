"""Readiness of the clients of this process, from the state of their token providers. It shows no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from .._util.redaction import safe_url
from ..build import pipeline_for
from ..telemetry.providers import HasTokenURL, ReportsStore, ReportsToken, StoreReport, TokenReport
from .responses import Answer

if TYPE_CHECKING:
    from ..settings import Settings
    from .clients import NamedClients
    from .event_loops import AsyncClients, LoopClients


class StartsFetches(Protocol):
    """Sync clients of an application. :meth:`Clients.start_fetch` says how they start a fetch."""

    @property
    def settings(self) -> Settings: ...
    def start_fetch(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ClientReadiness:
    """State of one client's token in this process. The other attributes are those of :class:`TokenReport`.

    Attributes:
        ready: True if a call made now can be expected to have a token.
        failure: error code of the last fetch; None if it succeeded.
        source: URL that tokens come from; None if the provider has no such URL.
        store: state of the store where tokens are kept; None if the provider does not report it. A shared store that fails
            ends the sharing, not the readiness.
        provider: source of the tokens, as the setting ``provider`` names it: ``client_credentials``, ``static`` or ``none``.
    """

    ready: bool
    never_tried: bool = False
    expires_in: float | None = None
    failure: str | None = None
    failed_ago: float | None = None
    cooldown_seconds: float | None = None
    source: str | None = None
    store: StoreReport | None = None
    provider: str = "client_credentials"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Readiness of this process, by client. Other processes may differ."""

    clients: Mapping[str, ClientReadiness]

    @property
    def ready(self) -> bool:
        """True if every client is ready."""
        return all(client.ready for client in self.clients.values())

    @property
    def uncertain(self) -> list[str]:
        """Names of the clients of which only a fetch can tell whether they work."""
        return [name for name, client in self.clients.items() if client.never_tried or not client.ready]

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON, with seconds rounded to tenths."""
        clients = {
            name: {key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(client).items()}
            for name, client in self.clients.items()
        }
        return {"ready": self.ready, "clients": clients}


def readiness(clients: NamedClients[Any] | AsyncClients | StartsFetches, *names: str) -> Readiness:
    """Return the readiness of the clients of this process, without any I/O. :func:`probe` also finds out what is not known.

    Args:
        clients: the clients of the application: ``request.state.prio_clients``, say.
        names: the clients to include; all of them if left out.

    Raises:
        ConfigurationError: there is no client of that name.
    """
    return readiness_of(clients.settings, *names)


def readiness_of(settings: Settings, *names: str) -> Readiness:
    """Return the readiness of the clients of ``settings``. See :func:`readiness`."""
    found = {}
    for name in names or settings.clients:
        own = settings.client(name)
        state = provider_readiness(pipeline_for(own).provider, ready_before_first_token=own.ready_before_first_token)
        found[name] = replace(state, provider=own.provider)
    return Readiness(found)


def probe(clients: StartsFetches, *names: str) -> Readiness:
    """Return what is known now, and start a fetch in the background for each client that is not ready or was never tried.

    A process that is not ready gets no calls, so only a probe can find out that the token endpoint works again. The cool-down
    after a failure limits these fetches as it limits those of calls.

    Args:
        clients: the sync clients of the application.
        names: the clients to include; all of them if left out.

    Raises:
        ConfigurationError: there is no client of that name.
    """
    state = readiness(clients, *names)
    for name in state.uncertain:
        clients.start_fetch(name)
    return state


async def aprobe(clients: LoopClients, *names: str) -> Readiness:
    """Do the same for a task."""
    state = readiness(clients, *names)
    for name in state.uncertain:
        await clients.start_fetch(name)
    return state


def is_ready(report: TokenReport, *, ready_before_first_token: bool) -> bool:
    """Return True if a call made now can be expected to have a token.

    A client is ready while its token is valid although the endpoint fails: otherwise every process would leave the load
    balancer at once. After that it is not ready until a fetch succeeds.
    """
    if report.is_usable:
        return True
    return report.failure is None and (ready_before_first_token or not report.never_tried)


def answer(state: Readiness) -> Answer:
    """Return the response: 200 if every client is ready, else 503, with the details as JSON."""
    body = json.dumps(state.as_dict()).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    return Answer(body, 200 if state.ready else 503, headers)


def provider_readiness(provider: object, *, ready_before_first_token: bool = True) -> ClientReadiness:
    """Return the state of a token provider."""
    report = provider.report() if isinstance(provider, ReportsToken) else TokenReport()
    failure = report.failure
    return ClientReadiness(
        ready=is_ready(report, ready_before_first_token=ready_before_first_token),
        never_tried=report.never_tried,
        expires_in=report.expires_in,
        failure=None if failure is None else failure.code or type(failure).__name__,
        failed_ago=report.failed_ago,
        cooldown_seconds=report.cooldown_seconds,
        source=safe_url(provider.token_url) if isinstance(provider, HasTokenURL) else None,
        store=provider.store_report() if isinstance(provider, ReportsStore) else None,
    )
