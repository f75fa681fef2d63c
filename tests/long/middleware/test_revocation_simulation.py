"""Limits of the revocation handler, in virtual time: seeded, without sleeping.

``python -m tests.long.middleware.scenarios`` runs the scenarios with sixty seeds, and prints the table.
"""

from __future__ import annotations

import random

import pytest

from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.renewal_limiter import LIMIT, RESERVE, WINDOW
from tests.middleware.simulation import Call, Simulation

from .scenarios import MINUTE, SCENARIOS, Scenario, busiest_minute, known_and_lost, minute_of_load, mix


def retried_after_the_denial(simulation: Simulation) -> list[Call]:
    """Return calls to a closed path that were retried although its denial was recorded before."""
    learnt: dict[str, float] = {}
    for call in simulation.calls:
        if call.sent == 2 and not call.answered:
            learnt[call.path] = min(call.ended, learnt.get(call.path, call.ended))
    return [call for call in simulation.calls if call.sent == 2 and call.began > learnt.get(call.path, call.began)]


# One revocation, 1,000 requests in flight.


@pytest.mark.parametrize("paths", [1, 10, 1000])
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_revocation_with_1000_requests_in_flight_costs_one_token(paths: int, known: bool) -> None:
    simulation = Simulation()
    simulation.start(simulation.call("/first"))
    if known:
        for n in range(1000):
            simulation.start(simulation.call(f"/open/{n % paths}"), at=10)
    for n in range(1000):
        simulation.start(simulation.call(f"/open/{n % paths}"), at=100)
    simulation.at(100, simulation.revoke)
    simulation.run()
    assert len(simulation.token_requests) == 2
    assert simulation.lost == []
    assert {call.sent for call in simulation.calls if call.began >= 100} == {2}


# Closed paths, no revocation.


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize(("closed", "share"), [(1, 1.0), (10, 0.5), (300, 0.95), (None, 0.95), (None, 0.5)])
def test_closed_paths_cost_at_most_3_token_requests_a_minute(closed: int | None, share: float) -> None:
    simulation = Simulation(seed=round(100 * share))
    minute_of_load(simulation, 10_000, mix(closed, share))
    simulation.run()
    assert len(simulation.token_requests) <= 3
    assert simulation.lost == []
    assert max(call.sent for call in simulation.calls) <= 2
    assert retried_after_the_denial(simulation) == []


def test_closed_paths_in_bursts_cost_at_most_3_token_requests_a_minute() -> None:
    simulation = Simulation()
    path = mix(None, 0.5)

    def in_bursts(choice: random.Random) -> str:
        return path(choice) if simulation.now % 10 < 5 else mix(50, 1.0)(choice)

    minute_of_load(simulation, 10_000, in_bursts)
    simulation.run()
    assert len(simulation.token_requests) <= 3
    assert simulation.lost == []


def test_a_closed_path_called_all_day_costs_hardly_a_token() -> None:
    simulation = Simulation()
    simulation.load(1, 24 * 60, MINUTE, mix(1, 1.0))
    simulation.run()
    assert len(simulation.token_requests) <= 2 + 24 + 4


# Both.

SEEDS = (0, 4)
NOISE = [(closed, share) for closed in (1, 10, 300, None) for share in (0.9, 0.5, 0.1)]


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize(("closed", "share"), NOISE)
def test_revocations_under_noise_lose_no_call_to_a_known_path(closed: int | None, share: float) -> None:
    simulation = Simulation(seed=5)
    minute_of_load(simulation, 2000, mix(closed, share))
    revocations = (15, 35, 55)
    for moment in revocations:
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert known_and_lost(simulation) == []
    assert len(simulation.token_requests) <= 1 + len(revocations) + 1
    assert max(call.sent for call in simulation.calls) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_revocations_with_slow_answers_lose_no_call_to_a_known_path(seed: int) -> None:
    simulation = Simulation(seed, latency=(0.05, 8.0))
    simulation.load(100, 3000, 1.0, mix(300, 0.5))
    for moment in (20, 40, 60):
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert known_and_lost(simulation) == []
    assert len([at for at in simulation.token_requests if at < 80]) <= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_revocations_with_an_error_code_for_each_path_lose_no_call_to_a_known_path(seed: int) -> None:
    def refusal(path: str, dead: bool) -> Refusal:
        return Refusal(401, code="TOKEN_EXPIRED") if dead else Refusal(403, code=f"FORBIDDEN_{path}")

    simulation = Simulation(seed, refusal=refusal)
    minute_of_load(simulation, 2000, mix(300, 0.5))
    for moment in (15, 35, 55):
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert known_and_lost(simulation) == []
    assert len(simulation.token_requests) <= 5


@pytest.mark.parametrize(("closed", "share"), [(closed, share) for closed, share in NOISE if share <= 0.5])
def test_where_every_path_is_new_a_handful_is_lost(closed: int | None, share: float) -> None:
    simulation = Simulation(seed=3)
    minute_of_load(simulation, 3000, mix(closed, share, open_paths=None))
    revocations = (15, 35, 55)
    for moment in revocations:
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert len(simulation.lost) <= 20 * len(revocations)
    assert len(simulation.token_requests) <= 6


@pytest.mark.parametrize("closed", [1, 10, 300, None])
def test_where_nearly_all_is_noise_it_takes_no_longer_than_a_window(closed: int | None) -> None:
    simulation = Simulation()
    simulation.load(100, 10_000, 1.7, mix(closed, 0.95, open_paths=None))
    simulation.at(50, simulation.revoke)
    simulation.run()
    assert [call for call in simulation.lost if call.began > 50 + WINDOW] == []
    assert len(simulation.token_requests) > 1


# Other servers, other times.


def test_a_token_that_dies_earlier_than_announced_is_replaced_each_time() -> None:
    simulation = Simulation()
    simulation.load(20, 4000, 1.0, mix(1, 0.0))
    for moment in range(10, 200, 20):
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert simulation.lost == []
    assert len(simulation.token_requests) == 1 + 10


def test_a_revocation_after_a_long_quiet_time() -> None:
    simulation = Simulation()
    minute_of_load(simulation, 1000, mix(10, 0.5))
    for moment in (7200, 7300):
        simulation.at(moment, simulation.revoke)
        simulation.start(simulation.call("/open/1"), at=moment + 1)
    simulation.run()
    assert simulation.lost == []
    assert len(simulation.token_requests) > 2


@pytest.mark.parametrize("gap", [0.3, 0.5, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("open_paths", [1, 5])
@pytest.mark.parametrize("seed", range(2))
def test_two_revocations_in_quick_succession_lose_only_calls_that_met_both(seed: int, open_paths: int, gap: float) -> None:
    simulation = Simulation(seed)
    minute_of_load(simulation, 3000, mix(1, 0.0, open_paths=open_paths))
    for moment in (20, 20 + gap):
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert all(call.sent == 2 and call.ended < 20 + gap + 1 for call in simulation.lost)
    assert 2 <= len(simulation.token_requests) <= 3


@pytest.mark.parametrize("open_paths", [1, 20, None])
@pytest.mark.parametrize("breaks_at", [0, 90])
def test_a_server_that_refuses_every_token_is_asked_for_few(breaks_at: float, open_paths: int | None) -> None:
    simulation = Simulation()
    simulation.load(20, 4_000, 0.7, mix(1, 0.0, open_paths=open_paths))

    def break_down() -> None:
        simulation.revoke()
        simulation.never_valid = True

    simulation.at(breaks_at, break_down)
    simulation.run()
    assert busiest_minute(simulation.token_requests) <= 1 + LIMIT + RESERVE


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_path_that_refuses_by_content_costs_few_tokens_and_few_calls(share: float) -> None:
    simulation = Simulation(seed=2)
    simulation.allows = lambda path: path != "/open/0" or simulation.random.random() >= share
    minute_of_load(simulation, 5000, mix(1, 0.0))
    revocations = (15, 35, 55)
    for moment in revocations:
        simulation.at(moment, simulation.revoke)
    simulation.run()
    assert len(simulation.lost) <= 20 * len(revocations)
    assert len(simulation.token_requests) <= 1 + len(revocations) + LIMIT + RESERVE


def test_rights_that_are_granted_later_are_taken_up() -> None:
    simulation = Simulation()
    simulation.allows = lambda path: simulation.now > 100
    simulation.load(1, 200, 1.0, mix(1, 1.0))
    simulation.run()
    assert {call.answered for call in simulation.calls if call.began > 100} == {True}


# The table in docs/decisions.md, with one seed of sixty.


@pytest.mark.pitfall(id="paths-with-ids")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_keeps_its_bounds(scenario: Scenario) -> None:
    outcome = scenario.run(seed=7)
    assert scenario.holds(outcome), outcome
