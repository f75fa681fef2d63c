"""Some callers, one provider and one token endpoint, in virtual time.

A caller is what a shell does for one call: look, acquire, and after a refusal invalidate and acquire once more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from prio_middleware import AccessToken
from prio_middleware.tokens import token as token_module
from prio_middleware.tokens.decision import Failure
from prio_middleware.tokens.effects import Background, Pause, Post, Steps, Wait
from prio_middleware.tokens.endpoint import TokenAnswer
from prio_middleware.tokens.flight import Outcome, Unanswered
from prio_middleware.tokens.provider import GRACE
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.exhaustive.invariants import assert_good_answer, assert_lost, assert_needed, assert_one_leader
from tests.exhaustive.moves import next_moment
from tests.exhaustive.provider import PREEMPTED, PreemptibleProvider
from tests.exhaustive.scope import DEADLINE, HOLD_BACK, LIFETIME, NEVER, Move, Scope, Task
from tests.tokens.kit import Clock, answer, endpoint, refused, token

ANSWERS = {
    "token": lambda: token(LIFETIME),
    "unavailable": lambda: answer(503),
    "refused": lambda: refused("invalid_client", 401),
    "timeout": lambda: TokenAnswer(failure="no whole answer in time"),
}
PATIENCE = 2 * (DEADLINE + GRACE) + DEADLINE
"""Seconds within which a caller must have an answer: he may wait for others twice, and then for a fetch of his own."""

AGES = {"fresh": 0.0, "due": LIFETIME * 0.9, "expired": float(LIFETIME)}


@dataclass(slots=True)
class World:
    """Everything at one moment. It cannot be copied, for generators cannot: it is made again and brought to the same point.

    Attributes:
        scope: what may happen.
        left: how much of that has not happened yet.
        clock: the provider's.
        tasks: callers, and refreshes beside them.
        revoked: serials that the API refuses.
        known_refused: those of which a caller has told the provider.
        failed: the token endpoint has refused the present credentials, or given no answer.
        excuses: reasons why there may be one more fetch than one.
        provider: the real one.
    """

    scope: Scope
    left: Scope = field(init=False)
    clock: Clock = field(default_factory=Clock)
    tasks: list[Task] = field(default_factory=list)
    revoked: set[int] = field(default_factory=set)
    known_refused: set[int] = field(default_factory=set)
    failed: bool = False
    excuses: int = 0
    provider: PreemptibleProvider = field(init=False)
    _serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._number_tokens()
        options: dict[str, Any] = {"refresh": self.scope.refresh, "deadline": DEADLINE, "hold_back": HOLD_BACK}
        self.provider = PreemptibleProvider(endpoint(), clock=self.clock, **options)
        self.left = self.scope
        self.tasks = [Task() for _ in range(self.scope.callers)]
        if self.scope.token != "none":
            _fetch_one(self.provider.acquire(DEFAULT_OPTIONS, None))
            self.clock.now += AGES[self.scope.token]

    @property
    def kept(self) -> AccessToken | None:
        """The token that is kept."""
        return self.provider._store.get(DEFAULT_OPTIONS)

    @property
    def failure(self) -> Failure | None:
        """The failure that is remembered."""
        return self.provider._failures.get(DEFAULT_OPTIONS)

    def do(self, move: Move) -> None:
        """Let it happen, and look whether everything is as it must be."""
        self._number_tokens()
        task = self.tasks[move.who]
        match move.what:
            case "begin" | "refuse":
                self._begin(task)
            case "go on":
                self._go_on(task)
            case "tick":
                self._spend("ticks")
                self.clock.now = next_moment(self)
            case "cancel" | "lose" | "revoke" | "rotate":
                self._befall(task, move.what)
            case answered:
                self._answer(task, answered)
        assert_one_leader(self)

    def close(self) -> None:
        """Drop what is under way."""
        for task in self.tasks:
            if task.steps is not None:
                task.steps.close()

    def _number_tokens(self) -> None:
        """Tokens count from 1 in each world, so that the same moves lead to the same state."""
        token_module._serials = self._serials  # type: ignore[assignment]

    def _begin(self, task: Task) -> None:
        if task.phase == "holding":
            task.refused = task.result
            self.known_refused.add(task.result.serial)
            self.provider.invalidate(task.result)
        task.known = frozenset(self.known_refused)
        kept = None if task.refused else self.provider.current(DEFAULT_OPTIONS, None)
        if kept:
            self._end(task, kept)
            return
        task.phase, task.result, task.patience = "running", None, self.clock.now + PATIENCE
        task.steps = self.provider.acquire(DEFAULT_OPTIONS, task.refused)
        self._send(task, None)

    def _go_on(self, task: Task) -> None:
        match task.effect:
            case Wait():
                self._send(task, self._outcome(task.effect))
            case Background(steps, _):
                self.tasks.append(Task("running", steps, is_refresh=True))
                self._send(task, True)
            case _:
                self._send(task, None)

    def _outcome(self, effect: Wait) -> Outcome:
        if effect.flight._future.done():
            return effect.flight._future.result()
        assert_lost(self)
        self.excuses += 1
        return Unanswered.OVERDUE

    def _answer(self, task: Task, what: str) -> None:
        if what != "token" and task.credentials is self.provider.endpoint:
            self.failed = True
            if what != "timeout":
                self._spend("failures")
        self._send(task, ANSWERS[what]())

    def _befall(self, task: Task, what: str) -> None:
        match what:
            case "cancel":
                self._spend("cancellations")
                assert task.steps is not None
                task.steps.close()
                task.phase, task.steps, task.effect = "cancelled", None, None
            case "lose":
                self._spend("losses")
                task.phase = "lost"
            case "revoke":
                self._spend("revocations")
                self.revoked |= {task.result.serial for task in self.tasks if task.phase == "holding"}
            case _:
                self._spend("rotations")
                self.excuses += 1
                self.provider.use(endpoint("another"))

    def _spend(self, name: str) -> None:
        self.left = replace(self.left, **{name: max(0, getattr(self.left, name) - 1)})

    def _send(self, task: Task, result: Any) -> None:
        """Let the task run to where it waits next."""
        assert task.steps is not None
        try:
            task.effect = task.steps.send(result)
            while task.effect is PREEMPTED and not self.scope.threads:
                task.effect = task.steps.send(None)
        except StopIteration as stop:
            task.steps, task.effect = None, None
            self._end(task, stop.value)
            return
        assert_needed(self, task)
        task.until, task.credentials = self.clock.now + _seconds(task.effect), self.provider.endpoint

    def _end(self, task: Task, result: Any) -> None:
        task.result, task.until, task.phase = result, NEVER, "answered"
        if not task.is_refresh:
            assert_good_answer(self, task)
            if (
                isinstance(result, AccessToken)
                and not task.refused
                and (result.serial in self.revoked or self.left.revocations)
            ):
                task.phase = "holding"


def _fetch_one(steps: Steps[Any]) -> None:
    effect: Any = None
    try:
        while True:
            effect = steps.send(token(LIFETIME) if isinstance(effect, Post) else None)
    except StopIteration:
        return


def _seconds(effect: Any) -> float:
    match effect:
        case Wait(_, seconds) | Pause(seconds):
            return seconds
        case Post(request):
            return request.budget
        case _:
            return NEVER
