"""Visit every state that can be reached, by every way that leads on from it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Hashable
from typing import NamedTuple
from unittest import mock

from prio_middleware.tokens import retrying
from prio_middleware.tokens import token as token_module
from tests.exhaustive.canonical import canonical
from tests.exhaustive.invariants import BrokenError, assert_over
from tests.exhaustive.moves import moves
from tests.exhaustive.scope import Move, Scope
from tests.exhaustive.world import World

PAUSE = 1.0
"""Seconds between two attempts. Their jitter decides nothing."""


class Found(NamedTuple):
    """How much there was to see.

    Attributes:
        states: different ones.
        transitions: ways from one to the next.
        schedules: ways from the beginning to an end: orders in which everything can happen.
        longest: moves of the longest of them.
    """

    states: int
    transitions: int
    schedules: int
    longest: int

    def plus(self, other: Found) -> Found:
        """Both together."""
        states, transitions = self.states + other.states, self.transitions + other.transitions
        return Found(states, transitions, self.schedules + other.schedules, max(self.longest, other.longest))


def explore(scope: Scope) -> Found:
    """Visit everything in ``scope``.

    Raises:
        BrokenError: an invariant does not hold; the moves that lead there are in the message.
    """
    with _determined():
        explorer = _Explorer(scope)
        schedules, longest = explorer.visit(World(scope), ())
    return Found(len(explorer.seen), explorer.transitions, schedules, longest)


class _Explorer:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.seen: dict[Hashable, tuple[int, int] | None] = {}
        self.transitions = 0

    def visit(self, world: World, path: tuple[Move, ...]) -> tuple[int, int]:
        """The number of schedules from here, and the moves of the longest."""
        state = canonical(world)
        if state not in self.seen:
            self.seen[state] = None
            self.seen[state] = self._go_on(world, path)
        known = self.seen[state]
        if known is None:
            raise BrokenError(f"it goes round in circles{_after(path)}")
        return known

    def _go_on(self, world: World, path: tuple[Move, ...]) -> tuple[int, int]:
        chosen = moves(world)
        if not chosen:
            self._check(functools.partial(assert_over, world), path)
            return 1, 0
        schedules, longest = 0, 0
        for move in chosen:
            # Generators cannot be copied: each world but the last is made again.
            child = world if move is chosen[-1] else self._again(path)
            self._check(functools.partial(child.do, move), (*path, move))
            ways, length = self.visit(child, (*path, move))
            child.close()
            self.transitions += move.times
            schedules, longest = schedules + move.times * ways, max(longest, length + 1)
        return schedules, longest

    def _again(self, path: tuple[Move, ...]) -> World:
        world = World(self._scope)
        for move in path:
            world.do(move)
        return world

    @staticmethod
    def _check(act: Callable[[], None], path: tuple[Move, ...]) -> None:
        try:
            act()
        except Exception as error:
            raise BrokenError(f"{type(error).__name__}: {error}{_after(path)}") from error


def _after(path: tuple[Move, ...]) -> str:
    return ", after: " + ", ".join(f"{move.what} {move.who}" for move in path)


@contextlib.contextmanager
def _determined() -> Generator[None]:
    """Nothing is left to chance: the same moves lead to the same state."""
    with mock.patch.object(retrying, "_backoff", return_value=PAUSE), mock.patch.object(token_module, "_serials"):
        yield
