"""What must hold in every state, and at every end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prio_middleware import AccessToken, TokenError
from prio_middleware.tokens.effects import Pause, Post
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.exhaustive.scope import Task

if TYPE_CHECKING:
    from tests.exhaustive.world import World


class BrokenError(AssertionError):
    """An invariant does not hold."""


def assert_one_leader(world: World) -> None:
    """One fetch at a time, and one more for each leader who was given up or asks with outdated credentials."""
    leading = [task for task in world.tasks if task.phase == "running" and isinstance(task.effect, Post | Pause)]
    if len(leading) > 1 + world.excuses:
        raise BrokenError(f"{len(leading)} fetches at once")


def assert_needed(world: World, task: Task) -> None:
    """A token request leaves only if no token is kept that would have done.

    Where a second fetch was due (``excuses``), the other one may have succeeded meanwhile.
    """
    if not isinstance(task.effect, Post) or world.excuses:
        return
    kept = world.kept
    if kept and world.clock.now < kept.fresh_until and kept.serial not in world.known_refused:
        raise BrokenError("a token request although a fresh token is kept")


def assert_lost(world: World) -> None:
    """Somebody gives up waiting for a flight: its leader must be lost, for otherwise it lands in time."""
    if not any(task.phase == "lost" for task in world.tasks):
        raise BrokenError("a flight is overdue although nobody was lost")


def assert_good_answer(world: World, task: Task) -> None:
    """A caller has an answer: in time, and a token that is good or an error that is due."""
    if world.clock.now > task.patience:
        raise BrokenError("an answer after the caller's patience has ended")
    if isinstance(task.result, AccessToken):
        _assert_good_token(world, task, task.result)
    else:
        _assert_due_error(world, task, task.result)


def _assert_good_token(world: World, task: Task, given: AccessToken) -> None:
    if given.serial <= _refused(task):
        raise BrokenError("a caller is given the token he was refused with, or an older one")
    if given.serial in task.known:
        raise BrokenError("a token is given that was known to be refused when the caller began")
    if world.clock.now >= given.expires_at:
        raise BrokenError("an expired token is given")


def _assert_due_error(world: World, task: Task, error: TokenError) -> None:
    if not world.failed:
        raise BrokenError(f"an error although nothing failed: {error.message}")
    if world.kept and world.clock.now < world.kept.expires_at and world.kept.serial > _refused(task):
        raise BrokenError("an error although a token is kept that works")


def assert_over(world: World) -> None:
    """Nothing can happen any more: everybody has been answered, and nothing is left behind."""
    waiting = [task for task in world.tasks if task.phase in {"idle", "running"}]
    if waiting:
        raise BrokenError(f"{len(waiting)} left waiting for ever, for {type(waiting[0].effect).__name__}")
    lost = any(task.phase == "lost" for task in world.tasks)
    if world.provider._flights.is_open(DEFAULT_OPTIONS) and not lost:
        raise BrokenError("a flight is left open")


def _refused(task: Task) -> int:
    return task.refused.serial if task.refused else 0
