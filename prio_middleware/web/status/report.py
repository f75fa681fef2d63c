"""Status of this process and its clients, as the status page shows it."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ..._util.redaction import safe_url
from ...build import pipeline_for
from ...errors import UnknownAccountError
from ...oauth.provider import ClientCredentialsProvider
from ...telemetry.metrics import version
from ...telemetry.providers import ReportsStore
from ...telemetry.snapshot import FetchRecord, snapshot
from ..readiness import provider_readiness, readiness_of

if TYPE_CHECKING:
    from ...settings import Settings
    from ...telemetry.snapshot import ClientSnapshot
    from ..readiness import ClientReadiness

Level = Literal["good", "idle", "warn", "bad"]
"""Condition of a client. ``idle`` needs no action; ``warn`` becomes ``bad`` if nothing changes."""


@dataclass(frozen=True, slots=True)
class Process:
    """The process that serves the page.

    Attributes:
        pid: process id on its host.
        host: name of the host.
        started_at: start of the process or its fork, in seconds since the epoch. Counts begin there.
        version: version of this library.
    """

    pid: int
    host: str
    started_at: float
    version: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition of a client: a level, and one sentence about it."""

    level: Level
    summary: str


@dataclass(frozen=True, slots=True)
class Token:
    """Token of calls without token options; without such calls, the token that lasts longest.

    Times are in seconds, and None for a token that does not expire. See :class:`ClientReadiness` for the attributes.
    """

    source: str | None = None
    lifetime: float | None = None
    expires_in: float | None = None
    cooldown_seconds: float | None = None
    provider: str = "client_credentials"


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """Account of a client, from its resolver: name and condition."""

    name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class ClientErrors:
    """4xx responses of the last minute, and the number that the server allows in a minute; None if unknown."""

    last_minute: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Shared token store, with the counts of one client in this process. See :class:`StoreReport` for the attributes."""

    kind: str
    reachable: bool | None = None
    hits: int = 0
    published: int = 0
    fallbacks: int = 0
    failures: int = 0
    last_failure: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """One client of this process. Counts are totals since the process started.

    See :class:`ClientSnapshot` for the counts.

    Attributes:
        store: shared token store; None if tokens are not shared.
        accounts: accounts of its resolver that are in use, the worst first; at most ``ACCOUNTS_SHOWN``.
    """

    name: str
    condition: Condition
    token: Token = field(default_factory=Token)
    waiting: int = 0
    responses: Mapping[str, int] = field(default_factory=dict)
    acquisitions: Mapping[str, int] = field(default_factory=dict)
    reauthentications: Mapping[str, int] = field(default_factory=dict)
    blocked: Mapping[str, int] = field(default_factory=dict)
    client_errors: ClientErrors = field(default_factory=ClientErrors)
    fetches: tuple[FetchRecord, ...] = ()
    store: Store | None = None
    accounts: tuple[AccountStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Status of one process ``at`` a time, in seconds since the epoch. Other processes may differ."""

    at: float
    process: Process
    clients: tuple[Client, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return asdict(self)


BUDGET_WARNING = 0.8  # Share of the 4xx limit from which on the page warns.


def condition(state: ClientReadiness, errors: ClientErrors, store: Store | None = None) -> Condition:
    """Return the worst condition that applies to a client."""
    if not state.ready and state.failure:
        seconds = state.cooldown_seconds
        later = f"Next fetch in {seconds:.0f} s." if seconds else "The next call or probe tries again."
        return Condition("bad", f"No token: {state.failure}. {later}")
    if state.failure:
        kept = "The token is still valid" if is_usable(state) else "There is no token"
        return Condition("warn", f"{kept}, and the last fetch failed: {state.failure}.")
    if errors.limit and errors.last_minute >= BUDGET_WARNING * errors.limit:
        return Condition("warn", f"{errors.last_minute} of {errors.limit} allowed 4xx responses in the last minute.")
    if store and store.reachable is False:
        return Condition("warn", f"The shared store failed: {store.last_failure}. This process fetches its own tokens.")
    return _idle_or_good(state)


_WITHOUT_FETCHES = {
    "static": "The client has a static token.",
    "none": "The client has no token: its headers or a component authenticate the calls.",
}


def _idle_or_good(state: ClientReadiness) -> Condition:
    if state.provider in _WITHOUT_FETCHES:
        return Condition("good", _WITHOUT_FETCHES[state.provider])
    if is_usable(state):
        return Condition("good", "The token is valid.")
    if state.expires_in is not None:
        return Condition("idle", "The token has expired. The next call fetches a new one.")
    if state.source is None:
        return Condition("idle", "The token provider does not report its state.")
    return Condition("idle", "No token yet. The first call fetches one.")


def is_usable(state: ClientReadiness) -> bool:
    """Return True if there is a token that has not expired."""
    return state.expires_in is not None and state.expires_in > 0


_started: dict[int, float] = {os.getpid(): time.time()}


def this_process() -> Process:
    """Return this process. It starts when it loads the application, or when it is forked from a process that did."""
    pid = os.getpid()
    return Process(pid, socket.gethostname(), _started.setdefault(pid, time.time()), version())


# Platforms without fork have no such hook.
getattr(os, "register_at_fork", dict)(after_in_child=lambda: _started.update({os.getpid(): time.time()}))


def read_status(settings: Settings) -> Status:
    """Return the status of the clients in ``settings``. Raise ConfigurationError if a client cannot be made."""
    states = readiness_of(settings).clients
    pipelines = {name: pipeline_for(settings.client(name)) for name in states}
    clients = tuple(
        replace(
            client_status(name, states[name], snapshot(pipeline), shared_store(pipeline.provider)),
            accounts=account_states(pipeline.provider),
        )
        for name, pipeline in pipelines.items()
    )
    return Status(round(time.time(), 3), this_process(), clients)


ACCOUNTS_SHOWN = 100  # Maximum accounts that the page shows for each client, as many as metrics name.


def account_states(provider: object, limit: int = ACCOUNTS_SHOWN) -> tuple[AccountStatus, ...]:
    """Return the accounts of a resolver that are in use, the worst first. Names that do not exist are left out."""
    accounts = provider.accounts if isinstance(provider, ClientCredentialsProvider) else None
    if accounts is None:
        return ()
    found = [
        AccountStatus(each.client.partition("/")[2], condition(provider_readiness(each), ClientErrors()))
        for each in accounts.active()
        if "/" in each.client and not isinstance(each.report().failure, UnknownAccountError)
    ]
    order = ("bad", "warn", "idle", "good")
    return tuple(sorted(found, key=lambda each: (order.index(each.condition.level), each.name))[:limit])


def shared_store(provider: object) -> Store | None:
    """Return the shared store of a token provider. Return None if it shares no tokens, or does not report it."""
    report = provider.store_report() if isinstance(provider, ReportsStore) else None
    if report is None or report.kind == "memory":
        return None
    return Store(**{part.name: getattr(report, part.name) for part in fields(Store)})


def client_status(name: str, state: ClientReadiness, seen: ClientSnapshot, store: Store | None = None) -> Client:
    """Return the status of one client."""
    errors = ClientErrors(seen.client_errors, seen.client_error_limit)
    return Client(
        name=name,
        condition=condition(state, errors, store),
        token=Token(
            source=None if state.source is None else safe_url(state.source),
            lifetime=_seconds(seen.lifetime),
            expires_in=_seconds(seen.expires_in),
            cooldown_seconds=_seconds(seen.cooldown_seconds),
            provider=state.provider,
        ),
        waiting=seen.waiting,
        responses={str(status): number for status, number in sorted(seen.responses.items()) if number},
        acquisitions=dict(seen.acquisitions),
        reauthentications=dict(seen.reauthentications),
        blocked=dict(seen.blocked),
        client_errors=errors,
        fetches=tuple(replace(fetch, at=round(fetch.at, 3), duration=round(fetch.duration, 4)) for fetch in seen.fetches),
        store=store,
    )


def _seconds(value: float | None) -> float | None:
    """Round to tenths. Return None for an infinite lifetime, which JSON cannot hold."""
    return round(value, 1) if value is not None and math.isfinite(value) else None
