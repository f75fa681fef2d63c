"""Events of the last minute, counted in seconds."""

from __future__ import annotations

import random
import sys

import pytest

from prio_middleware.telemetry.counters import RollingMinute
from tests.oauth.helpers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.5)


def test_what_happened_counts_for_a_minute_and_a_second_at_most(clock: Clock) -> None:
    minute = RollingMinute(clock)
    minute.add()
    minute.add(2)
    assert minute.count() == 3
    clock.now += 60
    assert minute.count() == 3
    clock.now += 1
    assert minute.count() == 0


def test_a_slot_that_is_used_again_starts_from_zero(clock: Clock) -> None:
    minute = RollingMinute(clock)
    for _ in range(200):
        minute.add()
        clock.now += 1
    assert minute.count() == 60


def test_the_count_is_never_too_low_and_ignores_calls_older_than_61_seconds(subtests: pytest.Subtests) -> None:
    for seed in range(8):
        with subtests.test(seed=seed):
            clock = Clock(1000.5)
            chance, minute, happened = random.Random(seed), RollingMinute(clock), list[float]()
            for _ in range(300):
                clock.now += chance.choice([0.0, 0.2, 0.9, 3.7, 61.5])
                minute.add()
                happened.append(clock.now)
                count = minute.count()
                assert sum(clock.now - at <= 60 for at in happened) <= count <= sum(clock.now - at < 61 for at in happened)


def test_how_long_until_there_is_room(clock: Clock) -> None:
    minute = RollingMinute(clock)
    minute.add(3)
    clock.now += 10
    minute.add(2)
    assert minute.until_below(6) == 0
    assert minute.until_below(5) == pytest.approx(50.5)
    assert minute.until_below(2) == pytest.approx(60.5)
    clock.now += minute.until_below(5)
    assert minute.count() == 2


def test_clear(clock: Clock) -> None:
    minute = RollingMinute(clock)
    minute.add()
    minute.clear()
    assert minute.count() == 0
    assert minute.until_below(1) == 0


def test_the_memory_of_a_rolling_minute_is_constant(clock: Clock) -> None:
    minute = RollingMinute(clock)
    minute.add()  # The first event makes the buckets.
    size = sum(sys.getsizeof(part) for part in vars(minute).values())
    for _ in range(10_000):
        minute.add(1000)
        clock.now += 0.1
    assert sum(sys.getsizeof(part) for part in vars(minute).values()) == size
