"""Simulated days of a fleet: token requests, recovery from outages and killed leaders, and seeded random numbers."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.fleet.context import Conditions
from benchmarks.fleet.day import Plan, simulate
from benchmarks.fleet.report import draw, revocation_labels, summary_table, write_json
from benchmarks.fleet.simulation import VARIANTS, Task, Variant, run, run_all
from benchmarks.fleet.stats import HOUR, Stats, Summary, rebinned, summarise
from benchmarks.fleet.timeline import Timeline

PROCESSES = 30
SHARED, ALONE = Variant(sharing=True, jitter=True), Variant(sharing=False, jitter=True)
DEFAULT_CONDITIONS = Conditions()
QUIET = Plan(hours=4, deployments=(), revocations=(), outages=(), killed=())


def day(variant: Variant, plan: Plan, conditions: Conditions = DEFAULT_CONDITIONS, seed: int = 1) -> Summary:
    return run(Task(variant, PROCESSES, conditions, plan, seed))


def test_a_timeline_runs_events_in_order_at_their_time() -> None:
    timeline, seen = Timeline(), list[tuple[str, float]]()
    for name, moment in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("too late", 5.0)):
        timeline.at(moment, lambda name=name: seen.append((name, timeline.now)))  # type: ignore[misc]
    timeline.run(5.0)
    timeline.at(2.0, lambda: seen.append(("past", timeline.now)))
    timeline.run(6.0)
    assert seen == [("first", 1.0), ("second", 1.0), ("late", 3.0), ("too late", 5.0), ("past", 5.0)]


def test_a_fleet_with_a_shared_store_requests_one_token_a_lifetime() -> None:
    shared, alone = day(SHARED, QUIET), day(ALONE, QUIET)
    assert sum(shared.hours) == 5  # A token is due half a minute before it is an hour old.
    assert sum(alone.hours) >= 4 * PROCESSES
    assert (shared.failed, shared.expired, shared.rejections) == (0, 0, 0)
    assert (alone.failed, alone.expired, alone.rejections, alone.store_worst) == (0, 0, 0, 0)


def test_a_revocation_costs_a_sharing_fleet_one_token_and_few_rejections() -> None:
    plan = dataclasses.replace(QUIET, hours=2, revocations=(0.5,))
    shared, alone = day(SHARED, plan), day(ALONE, plan)
    assert sum(shared.hours) - sum(day(SHARED, dataclasses.replace(plan, revocations=())).hours) <= 1
    assert alone.rejections >= PROCESSES > 10 >= shared.rejections >= 1
    assert shared.revocations[0].recovered < 5 < alone.revocations[0].recovered
    assert shared.worst["revoked"] == 1


def test_while_the_store_is_down_no_call_fails_and_each_process_fetches_its_own_token() -> None:
    plan = dataclasses.replace(QUIET, outages=((0.9, 1.2),), revocations=(1.1,))
    shared = day(SHARED, plan)
    assert shared.hours[1] >= PROCESSES
    assert (shared.failed, shared.expired) == (0, 0)
    assert shared.longest_wait < 2.0
    assert shared.hours[3] <= 2  # It shares again.


def test_a_revocation_of_single_and_shared_tokens_loses_no_call() -> None:
    """Each process has its own token then, and one that has just started has shared another."""
    one_by_one = Plan(hours=2, deployments=(1.3,), batches=PROCESSES, batch_every=3600.0, killed=())
    plan = dataclasses.replace(one_by_one, outages=((0.9, 1.2),), revocations=(1.1, 1.5))
    shared = day(SHARED, plan)
    assert shared.failed == 0
    assert shared.revocations[1].rejections >= PROCESSES
    assert shared.hours[1] <= PROCESSES + 2  # one each while the store was away, the new process's, and one for all


def test_a_killed_leader_is_replaced_within_its_lease() -> None:
    plan = dataclasses.replace(QUIET, hours=1, revocations=(0.5,), killed=(0.5,))
    shared = day(SHARED, plan, Conditions(rate=1.0))
    assert sum(shared.hours) <= 4  # At the start, the killed leader's, its successor's, and the next due one.
    assert 8 < shared.longest_wait < 11
    assert shared.failed == 0


def test_a_leader_killed_during_a_refresh_costs_one_token_request() -> None:
    plan = dataclasses.replace(QUIET, hours=2, killed=(0.5,))
    assert sum(day(SHARED, plan, Conditions(rate=1.0)).hours) <= 4


def test_new_processes_use_the_stored_token() -> None:
    plan = dataclasses.replace(QUIET, hours=1, deployments=(0.5,))
    assert sum(day(SHARED, plan).hours) <= 2
    assert sum(day(ALONE, plan).hours) >= 2 * PROCESSES


def test_jitter_spreads_token_requests() -> None:
    busy = Conditions(rate=5.0, start=0.1)
    step, spread = (day(Variant(sharing=False, jitter=jitter), QUIET, busy) for jitter in (False, True))
    assert step.worst["due"] > 2 * spread.worst["due"]


def test_equal_seeds_give_equal_days() -> None:
    plan = dataclasses.replace(QUIET, hours=2, revocations=(0.5,), outages=((0.9, 1.1),))
    assert day(SHARED, plan, seed=3) == day(SHARED, plan, seed=3)
    assert day(ALONE, plan, seed=3) != day(ALONE, plan, seed=4)


def test_summaries_add_up_hours_and_minutes() -> None:
    stats = Stats()
    stats.token_requests["start"].update([0, 0, HOUR])
    stats.token_requests["due"].update([HOUR, HOUR + 1])
    stats.rejections.update([59, 60, 61])
    found = summarise(stats, 3)
    assert (found.hours, found.token_requests, found.worst_minute) == ([2, 3, 0], 5, 2)
    assert found.worst == {"start": 2, "due": 1, "revoked": 0}
    assert rebinned([], 60) == {}


def test_the_report_has_a_table_json_and_plots(tmp_path: Path) -> None:
    task = Task(SHARED, 3, Conditions(), Plan(hours=2, deployments=(1,), revocations=(0.5, 1.5), outages=((1.4, 1.6),)), 1)
    summaries = {variant: run(task._replace(variant=variant)) for variant in VARIANTS}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary_table(summaries, task))
    text = console.export_text()
    write_json(summaries, task, tmp_path / "day.json")

    assert [variant for variant in VARIANTS if str(variant) not in text] == []
    assert revocation_labels(task) == ["all well", "store down"]
    assert json.loads((tmp_path / "day.json").read_text())["days"][str(SHARED)]["hours"] == summaries[SHARED].hours
    assert [path.name for path in draw(summaries, task, tmp_path) if path.stat().st_size] == ["fleet.svg", "fleet.png"]


def test_parallel_processes_simulate_the_same_days() -> None:
    tasks = [Task(variant, 2, Conditions(), dataclasses.replace(QUIET, hours=1), 1) for variant in (SHARED, ALONE)]
    updates = list[tuple[Variant, float]]()
    assert run_all(tasks, 2, lambda *update: updates.append(update)) == {task.variant: run(task) for task in tasks}
    assert {variant for variant, part in updates if part == 1.0} == {SHARED, ALONE}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_day_with_every_event_loses_no_call(variant: Variant) -> None:
    found = summarise(simulate(5, Conditions(), Plan(), sharing=variant.sharing, jitter=variant.jitter, seed=2), 24)
    assert (found.failed, found.expired) == (0, 0)
