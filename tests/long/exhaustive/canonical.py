"""Canonical states: equal for contexts that behave alike. Times count from now, fetches by their order.

The next step of a generator depends on its position and its local variables, so both are part of a state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from types import GeneratorType
from typing import Any

from prio_middleware import AccessToken, TokenError, TokenOptions
from prio_middleware.oauth.attempts import Attempts
from prio_middleware.oauth.decision import Failure
from prio_middleware.oauth.effects import Background, Pause, Post, Wait
from prio_middleware.oauth.single_flight import InFlightFetch, NoResult
from prio_middleware.oauth.token_request import TokenEndpoint, TokenRequest
from tests.long.exhaustive.context import Context
from tests.long.exhaustive.internals import attempt_number, inside
from tests.long.exhaustive.scope import Task

PAST = {"__class__", "now", "pause", "decision", "outcome", "waited"}
"""Local variables that are not read after any position at which a generator can stand."""


PLAIN = (bool, int, str, type(None), NoResult)


def canonical(context: Context) -> Hashable:
    """Return the state of ``context``. Callers are interchangeable: their order does not count."""
    name = _Names(context).of
    known = inside(context.provider)
    fetches = tuple(name(fetch) for fetch in known.in_progress)
    tasks = tuple(sorted((_task(name, task, context) for task in context.tasks), key=repr))
    kept = name(known.kept), name(known.failure), known.newest_rejected
    paced = max(0.0, round(context.not_before - context.clock.now, 6)), known.may_retry, name(known.lost)
    return context.left, context.excuses, context.failed, context.frozen, kept, paced, fetches, tasks


def _task(name: Callable[[Any], Hashable], task: Task, context: Context) -> Hashable:
    fixed = (task.phase, task.is_fetch, task.error_is_due, name(task.rejected))
    if task.phase != "running":
        return *fixed, name(task.result) if task.phase == "holding" else None
    outdated = task.credentials is not context.provider.endpoint
    waiting = name(task.effect), name(task.wakes_at), name(task.answer_due_at), name(task.steps), name(task.began)
    return *fixed, outdated, tuple(sorted(task.known_rejected)), *waiting


class _Names:
    """Names for values that are equal in equivalent runs."""

    def __init__(self, context: Context) -> None:
        self._world = context
        self._fetches: dict[int, int] = {}
        self._by_type: Mapping[type, Callable[[Any], Hashable]] = {
            float: lambda moment: round(moment - context.clock.now, 6),
            AccessToken: self._token,
            Attempts: lambda attempts: (attempt_number(attempts), self.of(getattr(attempts, "result", None))),
            Background: lambda effect: ("background", self.of(effect.fetch)),
            Failure: lambda failure: (self.of(failure.error), self.of(failure.retry_at), failure.pause),
            InFlightFetch: self._fetch,
            GeneratorType: self._generator,
            Pause: lambda _: "pause",
            Post: lambda _: "post",
            TokenEndpoint: lambda endpoint: endpoint is context.provider.endpoint,
            TokenRequest: lambda _: None,  # It follows from the rest, as these do:
            TokenOptions: lambda _: None,
            Wait: lambda effect: ("wait", self.of(effect.fetch)),
        }

    def of(self, value: Any) -> Hashable:
        """Return the name of ``value``."""
        named = self._by_type.get(type(value))
        if named:
            return named(value)
        if isinstance(value, TokenError):
            return type(value).__name__, value.retry_after
        if dataclasses.is_dataclass(value):
            return type(value).__name__, *(self.of(getattr(value, each.name)) for each in dataclasses.fields(value))
        return value if isinstance(value, PLAIN) else type(value).__name__

    def _token(self, token: AccessToken) -> Hashable:
        refused = token.serial in self._world.revoked, token.serial in self._world.known_rejected
        return "token", token.serial, self.of(token.fresh_until), self.of(token.expires_at), refused

    def _fetch(self, fetch: InFlightFetch) -> Hashable:
        number = self._fetches.setdefault(id(fetch), len(self._fetches))
        return "fetch", number, self.of(fetch.lost_at), self.of(fetch.outcome), fetch.is_running()

    def _generator(self, steps: Any) -> Hashable:
        frame = steps.gi_frame
        if frame is None:
            return None
        variables = tuple((name, self.of(value)) for name, value in sorted(frame.f_locals.items()) if name not in PAST)
        return steps.gi_code.co_name, frame.f_lasti, variables, self.of(steps.gi_yieldfrom)
