"""Several callers, one provider and one token endpoint, in virtual time.

A caller does what a transport does for one call: look up, acquire, and after a rejection invalidate and acquire once more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from prio_middleware import AccessToken
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.decision import Failure
from prio_middleware.oauth.effects import Background, Pause, Post, Steps, Wait
from prio_middleware.oauth.failures import PACE
from prio_middleware.oauth.single_flight import GRACE, NoResult, Outcome
from prio_middleware.oauth.token_response import TokenResponse
from tests.long.exhaustive.internals import PREEMPTED, PreemptibleProvider, inside, number_tokens
from tests.long.exhaustive.invariants import assert_good_answer, assert_lost, assert_needed, assert_one_fetch
from tests.long.exhaustive.moves import next_moment
from tests.long.exhaustive.scope import DEADLINE, FAILURE_COOLDOWN, LIFETIME, NEVER, Move, Scope, Task
from tests.oauth.helpers import Clock, answer, endpoint, inline, refused, token

ANSWERS = {
    "token": lambda: token(LIFETIME),
    "unavailable": lambda: answer(503),
    "refused": lambda: refused("invalid_client", 401),
    "timeout": lambda: TokenResponse(failure="no whole answer in time"),
}
AGES = {"fresh": 0.0, "due": LIFETIME * 0.9, "expired": float(LIFETIME)}
FREEZE = 60.0
"""Seconds for which a process is frozen: longer than any wait."""


@dataclass(slots=True)
class Context:
    """State of the simulation. Generators cannot be copied, so a copy is created anew and brought to the same point.

    Attributes:
        scope: limits on the events.
        left: events that may still happen.
        clock: the provider's clock.
        tasks: callers, and fetches beside them.
        revoked: serials that the API rejects.
        known_rejected: serials of which a caller has told the provider.
        failed: the token endpoint has rejected the present credentials, or given no answer.
        excuses: number of additional fetches that are allowed.
        not_before: moment before which no fetch may begin, because the last one ended early.
        frozen: the process was frozen: responses may arrive after their time limit.
        provider: the real provider.
    """

    scope: Scope
    left: Scope = field(init=False)
    clock: Clock = field(default_factory=Clock)
    tasks: list[Task] = field(default_factory=list)
    revoked: set[int] = field(default_factory=set)
    known_rejected: set[int] = field(default_factory=set)
    failed: bool = False
    excuses: int = 0
    not_before: float = 0.0
    frozen: bool = False
    provider: PreemptibleProvider = field(init=False)
    _serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._number_tokens()
        options: dict[str, Any] = {
            "refresh": self.scope.refresh,
            "deadline_seconds": DEADLINE,
            "failure_cooldown": FAILURE_COOLDOWN,
        }
        self.provider = PreemptibleProvider(endpoint(), clock=self.clock, **options)
        self.left = self.scope
        self.tasks = [Task() for _ in range(self.scope.callers)]
        if self.scope.token != "none":
            _fetch_one(inline(self.provider.acquire(DEFAULT_OPTIONS, None)))
            self.clock.now += AGES[self.scope.token]

    @property
    def kept(self) -> AccessToken | None:
        """The cached token."""
        return inside(self.provider).kept

    @property
    def failure(self) -> Failure | None:
        """The remembered failure."""
        return inside(self.provider).failure

    def do(self, move: Move) -> None:
        """Make ``move``, and check the invariants."""
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
            case "cancel" | "end" | "stop" | "hang":
                self._befall(task, move.what)
            case "revoke" | "rotate" | "close" | "freeze":
                self._upheave(move.what)
            case answered:
                self._answer(task, answered)
        assert_one_fetch(self)

    def close(self) -> None:
        """Close every generator."""
        for task in self.tasks:
            if task.steps is not None:
                task.steps.close()

    def _number_tokens(self) -> None:
        """Number tokens from 1 in each context, so that the same moves lead to the same state."""
        number_tokens(self._serials)

    def _begin(self, task: Task) -> None:
        if task.phase == "holding":
            task.rejected = task.result
            self.known_rejected.add(task.result.serial)
            self.provider.invalidate(task.result)
        task.known_rejected = frozenset(self.known_rejected)
        kept = None if task.rejected else self.provider.current(DEFAULT_OPTIONS, None)
        if kept:
            self._end(task, kept)
            return
        wait = min(DEADLINE + GRACE, NEVER if self.scope.max_wait is None else self.scope.max_wait)
        inline = DEADLINE if self.scope.inline else 0.0
        task.phase, task.result, task.answer_due_at = "running", None, self.clock.now + 2 * wait + inline
        task.steps = self.provider.acquire(DEFAULT_OPTIONS, task.rejected, self.scope.max_wait)
        self._send(task, None)

    def _go_on(self, task: Task) -> None:
        match task.effect:
            case Wait():
                self._send(task, self._outcome(task, task.effect))
            case Background(steps, fetch):
                if not self.scope.inline:
                    fetch.steps = steps
                    self.tasks.append(Task("running", steps, fetch=fetch, is_fetch=True))
                self._send(task, not self.scope.inline)
            case _:
                self._send(task, None)

    def _outcome(self, task: Task, effect: Wait) -> Outcome:
        if effect.fetch.outcome is not None:
            return effect.fetch.outcome
        if self.clock.now >= effect.fetch.lost_at:
            assert_lost(self)
            self.excuses += 1
        else:
            task.error_is_due = True
        return NoResult.TIMED_OUT

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
                self._drop(task)
            case "end":
                self._spend("endings")
                self._drop(task)
            case _:
                self._spend("losses")
                self.failed = any(other.phase == "lost" for other in self.tasks)
                task.phase = "lost"
                self.excuses += 1
                if what == "stop":
                    for fetch in inside(self.provider).in_progress:
                        fetch.is_running = _stopped
                else:
                    self.failed = True

    def _drop(self, task: Task) -> None:
        assert task.steps is not None
        if task.began is not None:
            self.not_before = max(self.not_before, task.began + PACE)
        task.steps.close()
        if task.fetch:
            task.fetch.complete(NoResult.ABANDONED)  # As the runner does: steps that did not begin complete nothing.
        task.phase, task.steps, task.effect = "cancelled", None, None

    def _upheave(self, what: str) -> None:
        match what:
            case "revoke":
                self._spend("revocations")
                self.revoked |= {task.result.serial for task in self.tasks if task.phase == "holding"}
            case "rotate":
                self._spend("rotations")
                self.excuses += 1
                self.not_before = 0.0
                self.provider.replace_credentials(endpoint("another"))
            case "close":
                self._spend("closings")
                waiting = [task for task in self.tasks if task.phase == "running" and isinstance(task.effect, Wait)]
                for task in [task for task in self.tasks if task.is_fetch and task.phase == "running"]:
                    self._drop(task)
                for task in waiting:
                    task.error_is_due = True
                    self._send(task, NoResult.CLOSED)
            case _:
                self._spend("freezes")
                self.frozen = True
                self.excuses += 1
                self.clock.now += FREEZE
                for task in self.tasks:
                    task.answer_due_at += FREEZE

    def _spend(self, name: str) -> None:
        self.left = replace(self.left, **{name: max(0, getattr(self.left, name) - 1)})

    def _send(self, task: Task, result: Any) -> None:
        """Run the task to its next effect."""
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
        if isinstance(task.effect, Post) and task.began is None:
            task.began = self.clock.now
        task.wakes_at, task.credentials = self.clock.now + _seconds(task.effect), self.provider.endpoint

    def _end(self, task: Task, result: Any) -> None:
        task.result, task.wakes_at, task.phase = result, NEVER, "answered"
        if not task.is_fetch:
            assert_good_answer(self, task)
            if (
                isinstance(result, AccessToken)
                and not task.rejected
                and (result.serial in self.revoked or self.left.revocations)
            ):
                task.phase = "holding"


def _stopped() -> bool:
    return False


def _fetch_one(steps: Steps[Any]) -> None:
    effect: Any = None
    try:
        while True:
            effect = steps.send(token(LIFETIME) if isinstance(effect, Post) else None)
    except StopIteration:
        return


def _seconds(effect: Any) -> float:
    match effect:
        case Wait():
            return min(effect.seconds, effect.lost_after_seconds)
        case Pause(seconds):
            return seconds
        case Post(request):
            return request.total_seconds
        case _:
            return NEVER
