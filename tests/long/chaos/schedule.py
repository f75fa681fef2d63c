"""Schedule of a round's disturbances, made from a seed before it begins, so that it can be repeated."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from tests.long.chaos.disturbances import ACCOUNTS, Disturbance

CALM = 0.5
"""Seconds at the beginning and at the end of a round in which nothing goes wrong."""

GAPS = {
    "endpoint": 3.0,
    "clock": 3.0,
    "secrets": 4.0,
    **dict.fromkeys(ACCOUNTS, 4.0),
}
GAP = 1.0
LEAST_GAP = 0.5
"""Seconds between two disturbances of a lane: the least, and what comes on top on average."""


class Planned(NamedTuple):
    """A disturbance, and when.

    Attributes:
        at: seconds after the round's beginning.
        until: the same, for its end.
        what: the disturbance.
        seed: what its own numbers come from.
    """

    at: float
    until: float
    what: Disturbance
    seed: int


def schedule(disturbances: Sequence[Disturbance], seconds: float, seed: str) -> list[Planned]:
    """The plan of one round, in order of time."""
    numbers = random.Random(seed)
    lanes = sorted({disturbance.lane for disturbance in disturbances})
    plan = [planned for lane in lanes for planned in _lane([d for d in disturbances if d.lane == lane], seconds, numbers)]
    return sorted(plan, key=lambda planned: planned.at)


def _lane(choices: Sequence[Disturbance], seconds: float, numbers: random.Random) -> list[Planned]:
    plan: list[Planned] = []
    gap = GAPS.get(choices[0].lane, GAP)
    now = CALM + numbers.expovariate(1 / gap)
    while now < seconds - CALM:
        what = numbers.choice(choices)
        until = min(now + numbers.uniform(*what.lasts), seconds - CALM)
        plan.append(Planned(now, until, what, numbers.getrandbits(32)))
        now = until + LEAST_GAP + numbers.expovariate(1 / gap)
    return plan
