"""Bounds on what may happen, and the state of callers and fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from prio_middleware import AccessToken
from prio_middleware.oauth.effects import Post, Steps
from prio_middleware.oauth.single_flight import InFlightFetch
from prio_middleware.oauth.token_request import TokenEndpoint

DEADLINE = 8.0
FAILURE_COOLDOWN = 5.0
LIFETIME = 100
NEVER = float("inf")

Phase = Literal["idle", "running", "holding", "answered", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Limits on the events of an exploration.

    Attributes:
        callers: number of callers, each of which may call at any time.
        token: the cached token at the start: none, a fresh one, one inside its leeway, or an expired one.
        refresh: the provider's refresh mode.
        failures: responses of the token endpoint without a token.
        cancellations: callers that give up.
        endings: fetches that end early, with their event loop.
        closings: of the client that all callers use.
        losses: fetches that never complete: the event loop was stopped, or the transport hangs.
        freezes: of the whole process, for longer than any fetch may take.
        revocations: revocations of every token that callers hold.
        rotations: new credentials.
        ticks: steps of the clock to the next relevant moment while a task could go on without.
        max_wait: longest wait of a caller in seconds. Default: the provider decides.
        threads: callers are threads, which may be stopped between decisions; else they are tasks of one event loop.
        inline: no fetch can be started beside the callers: its leader runs it.
    """

    callers: int
    token: Literal["none", "fresh", "due", "expired"] = "none"
    refresh: Literal["on_expiry", "ahead"] = "on_expiry"
    failures: int = 0
    cancellations: int = 0
    endings: int = 0
    closings: int = 0
    losses: int = 0
    freezes: int = 0
    revocations: int = 0
    rotations: int = 0
    ticks: int = 0
    max_wait: float | None = None
    threads: bool = True
    inline: bool = False

    def __str__(self) -> str:
        counted = (
            *("failures", "cancellations", "endings", "closings", "losses", "freezes", "revocations", "rotations", "ticks"),
        )
        events = [f"{getattr(self, name)} {name}" for name in counted if getattr(self, name)]
        events += [f"{self.max_wait:g} s at most"] if self.max_wait is not None else []
        events += ["inline"] if self.inline else []
        who = f"{self.callers} {'threads' if self.threads else 'tasks'}"
        return ", ".join([who, f"{self.token} token", self.refresh.replace("_", " "), *events])


class Move(NamedTuple):
    """One thing that happens next.

    Attributes:
        what: its name.
        who: number of the task that it happens to.
        times: number of interchangeable callers that it could happen to: those that have not begun.
    """

    what: str
    who: int = 0
    times: int = 1


@dataclass(slots=True, eq=False)
class Task:
    """A caller, or a refresh beside the callers.

    Attributes:
        phase: its progress.
        steps: its generator, while it runs.
        effect: the effect that it waits for.
        credentials: the provider's credentials when it began to wait.
        wakes_at: moment at which it stops waiting.
        began: start of the fetch, if it is one.
        fetch: the fetch that it completes.
        rejected: the token that the API rejected.
        known_rejected: serials of the tokens that were known to be rejected when it began.
        answer_due_at: moment at which it must have an answer.
        result: its result.
        is_fetch: it is no caller, but a fetch beside them.
        error_is_due: its client was closed, or its own time limit was over.
    """

    phase: Phase = "idle"
    steps: Steps[Any] | None = None
    effect: Any = None
    credentials: TokenEndpoint | None = None
    wakes_at: float = NEVER
    rejected: AccessToken | None = None
    known_rejected: frozenset[int] = frozenset()
    answer_due_at: float = NEVER
    result: Any = None
    began: float | None = None
    fetch: InFlightFetch | None = None
    is_fetch: bool = False
    error_is_due: bool = False

    def is_asking(self) -> bool:
        """Return whether its token request is in progress."""
        return self.phase == "running" and isinstance(self.effect, Post)
