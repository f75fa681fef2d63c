"""The schedule of a round can be repeated, and keeps its lanes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.long.chaos.disturbances import DISTURBANCES
from tests.long.chaos.schedule import CALM, LEAST_GAP, schedule


@pytest.mark.parametrize("number", range(20))
def test_a_plan_keeps_its_lanes_and_its_time(number: int) -> None:
    plan = schedule(DISTURBANCES, 30.0, f"7.{number}")

    assert plan
    assert all(CALM <= planned.at <= planned.until <= 30.0 - CALM for planned in plan)
    for lane in {planned.what.lane for planned in plan}:
        one_lane = [planned for planned in plan if planned.what.lane == lane]
        assert all(later.at - earlier.until >= LEAST_GAP for earlier, later in pairwise(one_lane))


def test_a_seed_stands_for_one_plan() -> None:
    assert schedule(DISTURBANCES, 30.0, "7.1") == schedule(DISTURBANCES, 30.0, "7.1")
    assert schedule(DISTURBANCES, 30.0, "7.1") != schedule(DISTURBANCES, 30.0, "7.2")


def test_in_some_rounds_everything_happens() -> None:
    planned = {planned.what.name for number in range(60) for planned in schedule(DISTURBANCES, 30.0, f"7.{number}")}

    assert planned == {disturbance.name for disturbance in DISTURBANCES}


def test_a_round_without_time_is_calm() -> None:
    assert schedule(DISTURBANCES, 2 * CALM, "7.1") == []
