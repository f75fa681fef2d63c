"""Invariants of every state, and of every end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prio_middleware import AccessToken, TokenError
from prio_middleware.oauth.effects import Post
from tests.long.exhaustive.scope import Task

if TYPE_CHECKING:
    from tests.long.exhaustive.context import Context


class BrokenError(AssertionError):
    """An invariant does not hold."""


def assert_one_fetch(context: Context) -> None:
    """Assert one fetch at a time, plus one for each that was given up or uses outdated credentials."""
    fetching = [task for task in context.tasks if task.phase == "running" and isinstance(task.effect, Post)]
    if len(fetching) > 1 + context.excuses:
        raise BrokenError(f"{len(fetching)} fetches at once")


def assert_needed(context: Context, task: Task) -> None:
    """Assert that a token request is sent only without a usable cached token, and outside of a pause.

    If a second fetch was due (``excuses``), the other one may have succeeded meanwhile.
    """
    if not isinstance(task.effect, Post) or context.excuses:
        return
    kept, failure = context.kept, context.failure
    if kept and context.clock.now < kept.fresh_until and kept.serial not in context.known_rejected:
        raise BrokenError("a token request although a fresh token is kept")
    if failure and context.clock.now < failure.retry_at:
        raise BrokenError("a token request in the pause after a failure")
    if task.began is None and context.clock.now < context.not_before:
        raise BrokenError("a fetch begins within a second of one that ended early")


def assert_lost(context: Context) -> None:
    """Assert that an overdue fetch is lost, or the process was frozen."""
    if not context.frozen and not any(task.phase == "lost" for task in context.tasks):
        raise BrokenError("a fetch is overdue although none was lost")


def assert_good_answer(context: Context, task: Task) -> None:
    """Assert that a caller has an answer in time: a valid token, or an error with a cause."""
    if context.clock.now > task.answer_due_at:
        raise BrokenError("an answer after the caller's time limit")
    if isinstance(task.result, AccessToken):
        _assert_good_token(context, task, task.result)
    else:
        _assert_due_error(context, task, task.result)


def _assert_good_token(context: Context, task: Task, given: AccessToken) -> None:
    if given.serial <= _refused(task):
        raise BrokenError("a caller is given the token that was rejected for it, or an older one")
    if given.serial in task.known_rejected:
        raise BrokenError("a token is given that was known to be rejected when the caller began")
    if context.clock.now >= given.expires_at and not context.frozen:
        raise BrokenError("an expired token is given")


def _assert_due_error(context: Context, task: Task, error: TokenError) -> None:
    if not (context.failed or task.error_is_due):
        raise BrokenError(f"an error although nothing failed: {error.message}")
    if context.kept and context.clock.now < context.kept.expires_at and context.kept.serial > _refused(task):
        raise BrokenError("an error although a token is kept that works")


def assert_over(context: Context) -> None:
    """Assert that every caller has an answer at the end, and no fetch is left."""
    waiting = [task for task in context.tasks if task.phase in {"idle", "running"}]
    if waiting:
        raise BrokenError(f"{len(waiting)} left waiting for ever, for {type(waiting[0].effect).__name__}")
    lost = any(task.phase == "lost" for task in context.tasks)
    if context.provider.report().fetching and not lost:
        raise BrokenError("a fetch is left in progress")


def _refused(task: Task) -> int:
    return task.rejected.serial if task.rejected else 0
