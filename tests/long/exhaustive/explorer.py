"""Exploration of every reachable state, by every move."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import NamedTuple

from tests.long.exhaustive.canonical import canonical
from tests.long.exhaustive.context import Context
from tests.long.exhaustive.internals import determined
from tests.long.exhaustive.invariants import BrokenError, assert_over
from tests.long.exhaustive.moves import moves
from tests.long.exhaustive.scope import Move, Scope


class Found(NamedTuple):
    """Size of an exploration.

    Attributes:
        states: number of different states.
        transitions: number of moves from one state to another.
        schedules: number of paths from the first state to an end.
        longest: number of moves of the longest path.
    """

    states: int
    transitions: int
    schedules: int
    longest: int

    def plus(self, other: Found) -> Found:
        """Return the sum of both."""
        states, transitions = self.states + other.states, self.transitions + other.transitions
        return Found(states, transitions, self.schedules + other.schedules, max(self.longest, other.longest))


def explore(scope: Scope) -> Found:
    """Visit everything in ``scope``.

    Raises:
        BrokenError: an invariant does not hold; the moves that lead there are in the message.
    """
    with determined():
        explorer = _Explorer(scope)
        schedules, longest = explorer.visit(Context(scope), ())
    return Found(len(explorer.seen), explorer.transitions, schedules, longest)


class _Explorer:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.seen: dict[Hashable, tuple[int, int] | None] = {}
        self.transitions = 0

    def visit(self, context: Context, path: tuple[Move, ...]) -> tuple[int, int]:
        """Return the number of schedules from here, and the moves of the longest."""
        state = canonical(context)
        if state not in self.seen:
            self.seen[state] = None
            self.seen[state] = self._go_on(context, path)
        known = self.seen[state]
        if known is None:
            raise BrokenError(f"it goes round in circles{_after(path)}")
        return known

    def _go_on(self, context: Context, path: tuple[Move, ...]) -> tuple[int, int]:
        chosen = moves(context)
        if not chosen:
            self._check(functools.partial(assert_over, context), path)
            return 1, 0
        schedules, longest = 0, 0
        for move in chosen:
            # Generators cannot be copied: each context but the last is made again.
            child = context if move is chosen[-1] else self._again(path)
            self._check(functools.partial(child.do, move), (*path, move))
            ways, length = self.visit(child, (*path, move))
            child.close()
            self.transitions += move.times
            schedules, longest = schedules + move.times * ways, max(longest, length + 1)
        return schedules, longest

    def _again(self, path: tuple[Move, ...]) -> Context:
        context = Context(self._scope)
        for move in path:
            context.do(move)
        return context

    @staticmethod
    def _check(act: Callable[[], None], path: tuple[Move, ...]) -> None:
        try:
            act()
        except Exception as error:
            raise BrokenError(f"{type(error).__name__}: {error}{_after(path)}") from error


def _after(path: tuple[Move, ...]) -> str:
    return ", after: " + ", ".join(f"{move.what} {move.who}" for move in path)
