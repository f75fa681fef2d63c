"""What may happen, and how often at most; and the state of those to whom it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from prio_middleware import AccessToken
from prio_middleware.tokens.effects import Post, Steps
from prio_middleware.tokens.endpoint import TokenEndpoint

DEADLINE = 8.0
HOLD_BACK = 5.0
LIFETIME = 100
NEVER = float("inf")

Phase = Literal["idle", "running", "holding", "answered", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What may happen, and how often at most.

    Attributes:
        callers: who may call, each at any time.
        token: what is kept at the start: no token, a fresh one, one inside its leeway, or an expired one.
        refresh: when tokens are renewed.
        failures: answers of the token endpoint that are no token.
        cancellations: callers who give up.
        losses: leaders whose event loop is stopped, and who are never heard of again.
        revocations: of every token that callers hold.
        rotations: new credentials.
        ticks: steps of the clock, to the next moment that means something, while somebody could go on without.
        threads: callers are threads, which may be stopped between decisions; else they are tasks of one event loop.
    """

    callers: int
    token: Literal["none", "fresh", "due", "expired"] = "none"
    refresh: Literal["on_expiry", "ahead"] = "on_expiry"
    failures: int = 0
    cancellations: int = 0
    losses: int = 0
    revocations: int = 0
    rotations: int = 0
    ticks: int = 0
    threads: bool = True

    def __str__(self) -> str:
        counted = ("failures", "cancellations", "losses", "revocations", "rotations", "ticks")
        events = [f"{getattr(self, name)} {name}" for name in counted if getattr(self, name)]
        who = f"{self.callers} {'threads' if self.threads else 'tasks'}"
        return ", ".join([who, f"{self.token} token", self.refresh.replace("_", " "), *events])


class Move(NamedTuple):
    """One thing that happens next.

    Attributes:
        what: its name.
        who: the number of the caller or refresh it happens to.
        times: how many callers it could happen to alike: those who have not begun are interchangeable.
    """

    what: str
    who: int = 0
    times: int = 1


@dataclass(slots=True, eq=False)
class Task:
    """A caller, or a refresh beside the callers.

    Attributes:
        phase: how far it is.
        steps: its generator, while it runs.
        effect: what it waits for.
        credentials: those of the moment at which it began to wait.
        until: the moment at which it stops waiting.
        refused: the token that it was refused with.
        known: serials of the tokens that were known to be refused when it began.
        patience: when it must have an answer.
        result: what it ended with.
        is_refresh: nobody waits for it.
    """

    phase: Phase = "idle"
    steps: Steps[Any] | None = None
    effect: Any = None
    credentials: TokenEndpoint | None = None
    until: float = NEVER
    refused: AccessToken | None = None
    known: frozenset[int] = frozenset()
    patience: float = NEVER
    result: Any = None
    is_refresh: bool = False

    def is_asking(self) -> bool:
        """A token request of it is under way."""
        return self.phase == "running" and isinstance(self.effect, Post)
