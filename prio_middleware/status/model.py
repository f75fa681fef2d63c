"""What the status page shows, as plain data: the page's script and ``prio status`` read the same.

Every field is named here, so nothing is shown because it happened to stand in an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["good", "idle", "warn", "bad"]
"""How a client is: ``idle`` is nothing to worry about, ``warn`` will become bad if nothing happens."""


@dataclass(frozen=True, slots=True)
class Process:
    """Which process speaks.

    Attributes:
        pid: its number on its host.
        host: the host's name.
        started_at: since when it counts, in seconds of the epoch: when it started, or was forked.
        version: of this library.
    """

    pid: int
    host: str
    started_at: float
    version: str


@dataclass(frozen=True, slots=True)
class Condition:
    """How a client is, in one word and in one sentence."""

    level: Level
    says: str


@dataclass(frozen=True, slots=True)
class Token:
    """The token that calls without options of their own are given; without such calls, the one that lasts longest.

    All times in seconds.

    Attributes:
        source: the URL that tokens come from; None: they come from somewhere else.
        lifetime: of the token; None: there is none, or it does not end.
        expires_in: what is left of it, not positive once it has expired.
        held_back: for so long no other fetch is made.
    """

    source: str | None = None
    lifetime: float | None = None
    expires_in: float | None = None
    held_back: float | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch that ended.

    Attributes:
        at: when, in seconds of the epoch.
        duration: in seconds.
        reason: why there was one: initial, expiring, rejected, forced.
        outcome: ``ok``, or the type of the error.
        attempts: token requests that it took.
        source: where the token came from: endpoint, or shared.
    """

    at: float
    duration: float
    reason: str
    outcome: str
    attempts: int
    source: str


@dataclass(frozen=True, slots=True)
class ClientErrors:
    """Answers 4xx of the last rolling minute, and how many there may be; None: nobody has said so."""

    last_minute: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Where processes share the token. Counts are this client's in this process.

    Attributes:
        kind: what it is: ``redis``.
        reachable: its last answer came; None: it was not asked yet.
        helped: tokens that were taken from it.
        published: tokens that were given to it.
        alone: fetches that were made without it.
        failures: operations that failed.
        last_failure: a word for the last of them.
    """

    kind: str
    reachable: bool | None = None
    helped: int = 0
    published: int = 0
    alone: int = 0
    failures: int = 0
    last_failure: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """One client of this process. Counts are totals since the process started.

    Attributes:
        name: as configured.
        condition: how it is.
        token: its token.
        waiting: callers that wait for a fetch at this moment.
        responses: answers of the API by status.
        acquisitions: how callers came by a token: fresh, led, joined, held_back, failed.
        reauthentications: second tries by outcome.
        rejected: requests that were not sent, by reason.
        client_errors: the 4xx budget.
        fetches: the last ones, newest first.
        store: where the token is shared; None: it is not.
    """

    name: str
    condition: Condition
    token: Token = field(default_factory=Token)
    waiting: int = 0
    responses: Mapping[str, int] = field(default_factory=dict)
    acquisitions: Mapping[str, int] = field(default_factory=dict)
    reauthentications: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    client_errors: ClientErrors = field(default_factory=ClientErrors)
    fetches: tuple[Fetch, ...] = ()
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What one process knows at one moment: ``at``, in seconds of the epoch. Others may know better."""

    at: float
    process: Process
    clients: tuple[Client, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self)
