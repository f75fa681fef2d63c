"""Everything that can happen next.

Time stands still while anybody can go on, for computing takes none; token requests, pauses and waits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prio_middleware.tokens.effects import Pause, Post, Wait
from tests.exhaustive.provider import PREEMPTED
from tests.exhaustive.scope import NEVER, Move, Task

if TYPE_CHECKING:
    from tests.exhaustive.world import World


def moves(world: World) -> list[Move]:
    """Everything that can happen next; nothing where all is over."""
    urgent = [Move("go on", who) for who, task in enumerate(world.tasks) if _can_go_on(world, task)]
    chosen = [*urgent, *_beginnings(world), *_answers(world), *_refusals(world), *_accidents(world), *_upheavals(world)]
    # The shells give up a token request when its time is over.
    due = any(task.is_asking() and world.clock.now >= task.until for task in world.tasks)
    if not (urgent or due) and next_moment(world) < NEVER and (world.left.ticks or not chosen):
        chosen.append(Move("tick"))
    return chosen


def next_moment(world: World) -> float:
    """The next moment at which a decision may come out differently, or somebody stops waiting."""
    unfinished = [task for task in world.tasks if task.phase in {"idle", "running"}]
    if not unfinished:
        return NEVER
    moments = [task.until for task in unfinished]
    moments += [world.kept.fresh_until, world.kept.expires_at] if world.kept else []
    moments += [world.failure.until] if world.failure else []
    return min((moment for moment in moments if world.clock.now < moment), default=NEVER)


def _can_go_on(world: World, task: Task) -> bool:
    if task.phase != "running" or isinstance(task.effect, Post):
        return False
    if isinstance(task.effect, Wait) and task.effect.flight._future.done():
        return True
    return not isinstance(task.effect, Wait | Pause) or world.clock.now >= task.until


def _beginnings(world: World) -> Iterator[Move]:
    idle = [who for who, task in enumerate(world.tasks) if task.phase == "idle"]
    if idle:
        yield Move("begin", idle[0], len(idle))


def _answers(world: World) -> Iterator[Move]:
    for who, task in enumerate(world.tasks):
        if task.is_asking():
            outdated = task.credentials is not world.provider.endpoint
            if world.clock.now >= task.until:
                yield Move("timeout", who)
                continue
            yield Move("token", who)
            if world.left.failures:
                yield Move("unavailable", who)
            if world.left.failures or outdated:
                yield Move("refused", who)


def _refusals(world: World) -> Iterator[Move]:
    for who, task in enumerate(world.tasks):
        if task.phase == "holding" and task.result.serial in world.revoked:
            yield Move("refuse", who)


def _accidents(world: World) -> Iterator[Move]:
    for who, task in enumerate(world.tasks):
        if task.phase == "running" and task.effect is not PREEMPTED:
            if world.left.cancellations and isinstance(task.effect, Post | Wait | Pause):
                yield Move("cancel", who)
            if world.left.losses and isinstance(task.effect, Post | Pause):
                yield Move("lose", who)


def _upheavals(world: World) -> Iterator[Move]:
    if world.left.revocations and any(task.phase == "holding" for task in world.tasks):
        yield Move("revoke")
    if world.left.rotations and any(task.phase == "running" for task in world.tasks):
        yield Move("rotate")
