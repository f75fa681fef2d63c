"""Judgement of real processes, and a few of them against the simulation."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from rich.console import Console

from benchmarks.fleet.__main__ import main
from benchmarks.fleet.crossings import Crossing, Work, behind, outcomes, percentile, recovery
from benchmarks.fleet.day import Plan
from benchmarks.fleet.promises import Outage, Promise, of_death, of_outage, of_revocation, of_start, of_steady, of_store
from benchmarks.fleet.redis_server import binary
from benchmarks.fleet.scenes import Size, play_all, revocation, start
from benchmarks.fleet.show import promised
from benchmarks.fleet.simulation import Task, Variant, play
from benchmarks.fleet.world import Conditions
from prio_middleware.telemetry.providers import StoreReport


def call(began: float, seconds: float = 0.1, outcome: str = "200") -> Crossing:
    return Crossing(began, began + seconds, outcome)


def grant(began: float, seconds: float = 0.1) -> Crossing:
    return Crossing(began, began + seconds, "200", for_token=True)


def broken(promises: Iterable[Promise]) -> list[str]:
    return [promise.what for promise in promises if promise.kept is False]


def work(*crossings: Crossing) -> Work:
    return Work([each for each in crossings if not each.for_token], list(crossings))


REFUSED = [call(0.0), call(1.0, outcome="403"), grant(1.1, 0.3), call(1.4)]


@pytest.mark.parametrize(
    ("sent", "taken", "late"),
    [
        pytest.param([call(0.0), call(1.0)], None, None, id="no refusal"),
        pytest.param(REFUSED, 0.4, 0.1, id="it fetched the token"),
        pytest.param([call(1.0, 1.0, "403"), call(2.0, 0.5)], 0.5, 0.5, id="another had fetched it"),
        pytest.param([call(1.0, outcome="403"), call(1.05, 0.2), call(1.5)], 0.5, 0.2, id="one was under way already"),
        pytest.param([call(1.0, outcome="403"), grant(1.1)], float("inf"), float("inf"), id="it was not answered any more"),
    ],
)
def test_recovery_is_counted_from_the_first_rejection(sent: list[Crossing], taken: float | None, late: float | None) -> None:
    assert recovery(sent) == (taken if taken is None else pytest.approx(taken))
    assert behind(sent, token_at=1.4) == (late if late is None else pytest.approx(late))


def test_percentiles_and_outcomes() -> None:
    crossings = [call(0.0, seconds / 100) for seconds in range(1, 101)]
    assert percentile(crossings, 0.99) == 1.0
    assert percentile(crossings, 0.5) == 0.51
    assert percentile([], 0.5) == 0
    assert outcomes([call(0.0), call(0.0, outcome="lost")]) == {"200": 1, "lost": 1}


def test_at_a_start_a_fleet_that_shares_asks_once() -> None:
    one, two = work(grant(0.0), call(0.1)), work(call(0.1))
    assert broken(of_start("", [one, two], shared=True)) == []
    assert broken(of_start("", [one, one], shared=True)) == ["token requests"]
    assert broken(of_start("", [one, one], shared=False)) == []
    assert broken(of_start("", [one, work(call(0.0, outcome="lost"))], shared=False)) == ["calls that failed"]


def test_it_says_whom_the_store_did_not_answer() -> None:
    answered, failed = StoreReport(), StoreReport(failures=2, last_failure="TimeoutError")
    assert of_store("", [answered]).measured == "none"
    assert of_store("", [answered, failed, failed]).measured == "TimeoutError: 2"


def test_after_a_revocation_one_asks_and_all_are_back_at_once() -> None:
    found = Work([call(0.0), call(1.0, 0.5)], REFUSED)
    assert broken(of_revocation("", [found, work(call(0.0))])) == []
    assert broken(of_revocation("", [found, found])) == ["token requests"]
    late = Work([call(0.0)], [call(1.0, outcome="403"), call(5.0)])
    assert broken(of_revocation("", [found, late])) == ["… from when the new token was there"]
    assert broken(of_revocation("", [work(call(0.0))])) == ["token requests"]


def test_a_dead_leader_is_replaced_within_the_lease() -> None:
    assert broken(of_death("", [work(call(0.0, 9.0))], 1.0, 2)) == []
    assert broken(of_death("", [work(call(0.0, 13.0))], 1.0, 3)) == [
        "token requests, the dead one's included",
        "from the kill to the last answer",
    ]


def test_an_outage_is_no_test_without_expiries_and_costs_no_time() -> None:
    away = Outage(10.0, 20.0)
    expiries = [grant(10.0 + moment) for moment in range(5)]
    quick, slow = work(call(0.0), call(11.0), *expiries), work(call(0.0), call(11.0, 0.2), *expiries)
    too_few = work(call(0.0), call(11.0), *expiries[1:], grant(5.0), grant(20.0))
    assert broken(of_outage("", [quick], [], away)) == []
    assert broken(of_outage("", [too_few], [], away)) == ["expiries while it was away, in each process"]
    assert broken(of_outage("", [slow], [quick], away)) == ["p99 of a call, before and since"]
    assert broken(of_outage("", [slow], [slow], away)) == []  # The machine was slower, not the store.


def test_a_steady_state_costs_the_same() -> None:
    assert broken(of_steady("", 1.01, 0.99, 1.03)) == []
    assert len(broken(of_steady("", 1.1, 1.05, 1.2))) == 1


def test_the_table_says_what_was_not_kept() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(promised([Promise("start", "one", "2", False), Promise("start", "two", "3 s", None)], Size()))
    text = console.export_text()
    assert text.count("start") == 1
    assert "not kept" in text


def test_a_few_real_processes_ask_as_often_as_simulated_ones() -> None:
    if binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    number = 4
    promises = play_all(Size(processes=number, threads=3), lambda _scene: None, [start, revocation])
    real = [int(promise.measured) for promise in promises if promise.what == "token requests"]
    plan = Plan(hours=1, deployments=(), revocations=(0.5,), outages=(), killed=())
    day = Task(Variant(sharing=True, jitter=True), number, Conditions(), plan, 1)
    shared, alone = play(day), play(day._replace(variant=Variant(sharing=False, jitter=True)))

    assert broken(promise for promise in promises if not promise.what.startswith("…")) == []  # Times are not tested.
    assert real == [shared.worst["start"], number, shared.worst["revoked"]] == [1, number, 1]
    assert shared.hours[0] - shared.worst["due"] == 2
    assert alone.hours[0] >= 2 * number


def test_what_is_asked_for_has_to_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-thing"])
    assert "simulate" in capsys.readouterr().err
