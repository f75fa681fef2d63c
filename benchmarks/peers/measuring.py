"""Interleaved rounds, medians, and how sure one can be of them."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

DRAWS = 2000
"""Samples that the bootstrap draws."""


class Estimate(NamedTuple):
    """A median with its 95 % interval."""

    middle: float
    low: float
    high: float


def estimate(values: Sequence[float], draws: int = DRAWS) -> Estimate:
    """The median of ``values``, with a 95 % interval by bootstrap (the percentile method)."""
    chance = random.Random(1)  # noqa: S311 - a statistic, not a secret
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return Estimate(statistics.median(values), medians[int(draws * 0.025)], medians[int(draws * 0.975)])


def interleaved(measures: Mapping[K, Callable[[], T]], rounds: int) -> dict[K, list[T]]:
    """Take every measure once in each round, in changing order: a machine that slows down slows all of them.

    No measure follows the same other one in every round, and each comes first, last and in between.
    """
    taken: dict[K, list[T]] = {key: [] for key in measures}
    for turn in range(rounds):
        for key in _order(list(measures), turn):
            taken[key].append(measures[key]())
    return taken


def _order(keys: list[K], turn: int) -> Iterable[K]:
    start = turn // 2 % len(keys)
    rotated = keys[start:] + keys[:start]
    return reversed(rotated) if turn % 2 else rotated


def ratio(of: Sequence[float], to: Sequence[float]) -> Estimate:
    """Compare the rounds of one measure with the same rounds of another."""
    return estimate([mine / theirs for mine, theirs in zip(of, to, strict=True)])
