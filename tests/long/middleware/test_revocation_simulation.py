"""Limits of the revocation handler, in virtual time: seeded, without sleeping.

``python -m tests.long.middleware.scenarios`` runs the scenarios with sixty seeds, and prints the table.
"""

from __future__ import annotations

import random

import pytest

from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.renewal_limiter import LIMIT, RESERVE, WINDOW
from tests.middleware.simulation import Call, World

from .scenarios import MINUTE, SCENARIOS, Scenario, busiest_minute, known_and_lost, minute_of_load, mix


def retried_after_the_denial(world: World) -> list[Call]:
    """Return calls to a closed path that were retried although its denial was recorded before."""
    learnt: dict[str, float] = {}
    for call in world.calls:
        if call.sent == 2 and not call.answered:
            learnt[call.path] = min(call.ended, learnt.get(call.path, call.ended))
    return [call for call in world.calls if call.sent == 2 and call.began > learnt.get(call.path, call.began)]


# One revocation, 1,000 requests in flight.


@pytest.mark.parametrize("paths", [1, 10, 1000])
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_revocation_with_1000_requests_in_flight_costs_one_token(paths: int, known: bool) -> None:
    world = World()
    world.start(world.call("/first"))
    if known:
        for n in range(1000):
            world.start(world.call(f"/open/{n % paths}"), at=10)
    for n in range(1000):
        world.start(world.call(f"/open/{n % paths}"), at=100)
    world.at(100, world.revoke)
    world.run()
    assert len(world.token_requests) == 2
    assert world.lost == []
    assert {call.sent for call in world.calls if call.began >= 100} == {2}


# Closed paths, no revocation.


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize(("closed", "share"), [(1, 1.0), (10, 0.5), (300, 0.95), (None, 0.95), (None, 0.5)])
def test_closed_paths_cost_at_most_3_token_requests_a_minute(closed: int | None, share: float) -> None:
    world = World(seed=round(100 * share))
    minute_of_load(world, 10_000, mix(closed, share))
    world.run()
    assert len(world.token_requests) <= 3
    assert world.lost == []
    assert max(call.sent for call in world.calls) <= 2
    assert retried_after_the_denial(world) == []


def test_closed_paths_in_bursts_cost_at_most_3_token_requests_a_minute() -> None:
    world = World()
    path = mix(None, 0.5)

    def in_bursts(choice: random.Random) -> str:
        return path(choice) if world.now % 10 < 5 else mix(50, 1.0)(choice)

    minute_of_load(world, 10_000, in_bursts)
    world.run()
    assert len(world.token_requests) <= 3
    assert world.lost == []


def test_a_closed_path_called_all_day_costs_hardly_a_token() -> None:
    world = World()
    world.load(1, 24 * 60, MINUTE, mix(1, 1.0))
    world.run()
    assert len(world.token_requests) <= 2 + 24 + 4


# Both.

SEEDS = (0, 4)
NOISE = [(closed, share) for closed in (1, 10, 300, None) for share in (0.9, 0.5, 0.1)]


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize(("closed", "share"), NOISE)
def test_revocations_under_noise_lose_no_call_to_a_known_path(closed: int | None, share: float) -> None:
    world = World(seed=5)
    minute_of_load(world, 2000, mix(closed, share))
    revocations = (15, 35, 55)
    for moment in revocations:
        world.at(moment, world.revoke)
    world.run()
    assert known_and_lost(world) == []
    assert len(world.token_requests) <= 1 + len(revocations) + 1
    assert max(call.sent for call in world.calls) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_revocations_with_slow_answers_lose_no_call_to_a_known_path(seed: int) -> None:
    world = World(seed, latency=(0.05, 8.0))
    world.load(100, 3000, 1.0, mix(300, 0.5))
    for moment in (20, 40, 60):
        world.at(moment, world.revoke)
    world.run()
    assert known_and_lost(world) == []
    assert len([at for at in world.token_requests if at < 80]) <= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_revocations_with_an_error_code_for_each_path_lose_no_call_to_a_known_path(seed: int) -> None:
    def refusal(path: str, dead: bool) -> Refusal:
        return Refusal(401, code="TOKEN_EXPIRED") if dead else Refusal(403, code=f"FORBIDDEN_{path}")

    world = World(seed, refusal=refusal)
    minute_of_load(world, 2000, mix(300, 0.5))
    for moment in (15, 35, 55):
        world.at(moment, world.revoke)
    world.run()
    assert known_and_lost(world) == []
    assert len(world.token_requests) <= 5


@pytest.mark.parametrize(("closed", "share"), [(closed, share) for closed, share in NOISE if share <= 0.5])
def test_where_every_path_is_new_a_handful_is_lost(closed: int | None, share: float) -> None:
    world = World(seed=3)
    minute_of_load(world, 3000, mix(closed, share, open_paths=None))
    revocations = (15, 35, 55)
    for moment in revocations:
        world.at(moment, world.revoke)
    world.run()
    assert len(world.lost) <= 20 * len(revocations)
    assert len(world.token_requests) <= 6


@pytest.mark.parametrize("closed", [1, 10, 300, None])
def test_where_nearly_all_is_noise_it_takes_no_longer_than_a_window(closed: int | None) -> None:
    world = World()
    world.load(100, 10_000, 1.7, mix(closed, 0.95, open_paths=None))
    world.at(50, world.revoke)
    world.run()
    assert [call for call in world.lost if call.began > 50 + WINDOW] == []
    assert len(world.token_requests) > 1


# Other servers, other times.


def test_a_token_that_dies_earlier_than_announced_is_replaced_each_time() -> None:
    world = World()
    world.load(20, 4000, 1.0, mix(1, 0.0))
    for moment in range(10, 200, 20):
        world.at(moment, world.revoke)
    world.run()
    assert world.lost == []
    assert len(world.token_requests) == 1 + 10


def test_a_revocation_after_a_long_quiet_time() -> None:
    world = World()
    minute_of_load(world, 1000, mix(10, 0.5))
    for moment in (7200, 7300):
        world.at(moment, world.revoke)
        world.start(world.call("/open/1"), at=moment + 1)
    world.run()
    assert world.lost == []
    assert len(world.token_requests) > 2


@pytest.mark.parametrize("gap", [0.3, 0.5, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("open_paths", [1, 5])
@pytest.mark.parametrize("seed", range(2))
def test_two_revocations_in_quick_succession_lose_only_calls_that_met_both(seed: int, open_paths: int, gap: float) -> None:
    world = World(seed)
    minute_of_load(world, 3000, mix(1, 0.0, open_paths=open_paths))
    for moment in (20, 20 + gap):
        world.at(moment, world.revoke)
    world.run()
    assert all(call.sent == 2 and call.ended < 20 + gap + 1 for call in world.lost)
    assert 2 <= len(world.token_requests) <= 3


@pytest.mark.parametrize("open_paths", [1, 20, None])
@pytest.mark.parametrize("breaks_at", [0, 90])
def test_a_server_that_refuses_every_token_is_asked_for_few(breaks_at: float, open_paths: int | None) -> None:
    world = World()
    world.load(20, 4_000, 0.7, mix(1, 0.0, open_paths=open_paths))

    def break_down() -> None:
        world.revoke()
        world.never_valid = True

    world.at(breaks_at, break_down)
    world.run()
    assert busiest_minute(world.token_requests) <= 1 + LIMIT + RESERVE


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_path_that_refuses_by_content_costs_few_tokens_and_few_calls(share: float) -> None:
    world = World(seed=2)
    world.allows = lambda path: path != "/open/0" or world.random.random() >= share
    minute_of_load(world, 5000, mix(1, 0.0))
    revocations = (15, 35, 55)
    for moment in revocations:
        world.at(moment, world.revoke)
    world.run()
    assert len(world.lost) <= 20 * len(revocations)
    assert len(world.token_requests) <= 1 + len(revocations) + LIMIT + RESERVE


def test_rights_that_are_granted_later_are_taken_up() -> None:
    world = World()
    world.allows = lambda path: world.now > 100
    world.load(1, 200, 1.0, mix(1, 1.0))
    world.run()
    assert {call.answered for call in world.calls if call.began > 100} == {True}


# The table in docs/decisions.md, with one seed of sixty.


@pytest.mark.pitfall(id="paths-with-ids")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_keeps_its_bounds(scenario: Scenario) -> None:
    outcome = scenario.run(seed=7)
    assert scenario.holds(outcome), outcome
