"""Possible next moves.

Time stands still while a task can go on: computing takes none; token requests, pauses and waits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prio_middleware.oauth.effects import Pause, Post, Wait
from tests.long.exhaustive.internals import PREEMPTED
from tests.long.exhaustive.scope import NEVER, Move, Task

if TYPE_CHECKING:
    from tests.long.exhaustive.context import Context


def moves(context: Context) -> list[Move]:
    """Return the possible next moves, or none at the end."""
    urgent = [Move("go on", who) for who, task in enumerate(context.tasks) if _can_go_on(context, task)]
    chosen = [
        *urgent,
        *_beginnings(context),
        *_answers(context),
        *_refusals(context),
        *_accidents(context),
        *_upheavals(context),
    ]
    # The shells give up a token request when its time is over.
    due = any(task.is_asking() and context.clock.now >= task.wakes_at for task in context.tasks)
    if not (urgent or due) and next_moment(context) < NEVER and (context.left.ticks or not chosen):
        chosen.append(Move("tick"))
    return chosen


def next_moment(context: Context) -> float:
    """Return the next moment at which a decision may change, or a task stops waiting."""
    unfinished = [task for task in context.tasks if task.phase in {"idle", "running"}]
    if not unfinished:
        return NEVER
    moments = [task.wakes_at for task in unfinished]
    moments += [context.kept.fresh_until, context.kept.expires_at] if context.kept else []
    moments += [context.failure.retry_at] if context.failure else []
    return min((moment for moment in moments if context.clock.now < moment), default=NEVER)


def _can_go_on(context: Context, task: Task) -> bool:
    if task.phase != "running" or isinstance(task.effect, Post):
        return False
    if isinstance(task.effect, Wait) and task.effect.fetch.outcome is not None:
        return True
    return not isinstance(task.effect, Wait | Pause) or context.clock.now >= task.wakes_at


def _beginnings(context: Context) -> Iterator[Move]:
    idle = [who for who, task in enumerate(context.tasks) if task.phase == "idle"]
    if idle:
        yield Move("begin", idle[0], len(idle))


def _answers(context: Context) -> Iterator[Move]:
    for who, task in enumerate(context.tasks):
        if task.is_asking():
            outdated = task.credentials is not context.provider.endpoint
            if context.clock.now >= task.wakes_at:
                yield Move("timeout", who)
                if not context.frozen:
                    continue
            yield Move("token", who)
            if context.left.failures:
                yield Move("unavailable", who)
            if context.left.failures or outdated:
                yield Move("refused", who)


def _refusals(context: Context) -> Iterator[Move]:
    for who, task in enumerate(context.tasks):
        if task.phase == "holding" and task.result.serial in context.revoked:
            yield Move("refuse", who)


def _accidents(context: Context) -> Iterator[Move]:
    for who, task in enumerate(context.tasks):
        if task.phase == "running" and task.effect is not PREEMPTED:
            is_waiting = isinstance(task.effect, Post | Wait | Pause)
            if context.left.cancellations and is_waiting and not task.is_fetch:
                yield Move("cancel", who)
            if context.left.endings and is_waiting and task.is_fetch:
                yield Move("end", who)
            if context.left.losses and isinstance(task.effect, Post | Pause) and (task.is_fetch or context.scope.inline):
                yield Move("stop", who)
                yield Move("hang", who)


def _upheavals(context: Context) -> Iterator[Move]:
    if context.left.revocations and any(task.phase == "holding" for task in context.tasks):
        yield Move("revoke")
    waiting = [task for task in context.tasks if task.phase == "running" and isinstance(task.effect, Post | Wait | Pause)]
    if context.left.rotations and any(task.phase == "running" for task in context.tasks):
        yield Move("rotate")
    if context.left.closings and waiting:
        yield Move("close")
    if context.left.freezes and waiting:
        yield Move("freeze")
