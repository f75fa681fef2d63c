"""Two worlds that differ in nothing that matters look the same: times count from now, flights by their order.

What a generator will do next depends on where it stands and on its local variables, so both are part of a state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from types import GeneratorType
from typing import Any

from prio_middleware import AccessToken, TokenError, TokenOptions
from prio_middleware.tokens.decision import Failure
from prio_middleware.tokens.effects import Background, Pause, Post, Wait
from prio_middleware.tokens.endpoint import TokenEndpoint, TokenRequest
from prio_middleware.tokens.flight import Flight, Unanswered
from prio_middleware.tokens.retrying import Attempts
from tests.exhaustive.scope import Task
from tests.exhaustive.world import World

PAST = {"__class__", "now", "pause"}
"""Local variables that are not read any more where a generator can stand."""


PLAIN = (bool, int, str, type(None), Unanswered)


def canonical(world: World) -> Hashable:
    """The state of ``world``. Callers are interchangeable: their order does not count."""
    name = _Names(world).of
    flights = tuple(name(flight) for flight in world.provider._flights._flights.values())
    tasks = tuple(sorted((_task(name, task, world) for task in world.tasks), key=repr))
    kept = name(world.kept), name(world.failure), world.provider._newest_refused
    return world.left, world.excuses, world.failed, kept, flights, tasks


def _task(name: Callable[[Any], Hashable], task: Task, world: World) -> Hashable:
    fixed = (task.phase, task.is_refresh, name(task.refused))
    if task.phase != "running":
        return *fixed, name(task.result) if task.phase == "holding" else None
    outdated = task.credentials is not world.provider.endpoint
    waiting = name(task.effect), name(task.until), name(task.patience), name(task.steps)
    return *fixed, outdated, tuple(sorted(task.known)), *waiting


class _Names:
    """Names for values, without what tells one run from another."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._flights: dict[int, int] = {}
        self._by_type: Mapping[type, Callable[[Any], Hashable]] = {
            float: lambda moment: round(moment - world.clock.now, 6),
            AccessToken: self._token,
            Attempts: lambda attempts: (attempts._state.attempt_number, self.of(getattr(attempts, "result", None))),
            Background: lambda effect: ("background", self.of(effect.flight)),
            Failure: lambda failure: (self.of(failure.error), self.of(failure.until), failure.holds_back),
            Flight: self._flight,
            GeneratorType: self._generator,
            Pause: lambda _: "pause",
            Post: lambda _: "post",
            TokenEndpoint: lambda endpoint: endpoint is world.provider.endpoint,
            TokenRequest: lambda _: None,  # It follows from the rest, as these do:
            TokenOptions: lambda _: None,
            Wait: lambda effect: ("wait", self.of(effect.flight)),
        }

    def of(self, value: Any) -> Hashable:
        """The name of ``value``."""
        named = self._by_type.get(type(value))
        if named:
            return named(value)
        if isinstance(value, TokenError):
            return type(value).__name__, value.retry_after
        if dataclasses.is_dataclass(value):
            return type(value).__name__, *(self.of(getattr(value, each.name)) for each in dataclasses.fields(value))
        return value if isinstance(value, PLAIN) else type(value).__name__

    def _token(self, token: AccessToken) -> Hashable:
        refused = token.serial in self._world.revoked, token.serial in self._world.known_refused
        return "token", token.serial, self.of(token.fresh_until), self.of(token.expires_at), refused

    def _flight(self, flight: Flight) -> Hashable:
        outcome = self.of(flight._future.result()) if flight._future.done() else "flying"
        return "flight", self._flights.setdefault(id(flight), len(self._flights)), self.of(flight.until), outcome

    def _generator(self, steps: Any) -> Hashable:
        frame = steps.gi_frame
        if frame is None:
            return None
        variables = tuple((name, self.of(value)) for name, value in sorted(frame.f_locals.items()) if name not in PAST)
        return steps.gi_code.co_name, frame.f_lasti, variables, self.of(steps.gi_yieldfrom)
