"""Assertions about real processes, and a comparison of four real processes with the simulation."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from rich.console import Console

from benchmarks.fleet.__main__ import main
from benchmarks.fleet.assertions import (
    Assertion,
    Outage,
    check_leader_killed,
    check_outage,
    check_revocation,
    check_start,
    check_steady,
    check_store,
)
from benchmarks.fleet.context import Conditions
from benchmarks.fleet.day import Plan
from benchmarks.fleet.redis_server import binary
from benchmarks.fleet.report import assertion_table
from benchmarks.fleet.request_log import LoggedRequest, WorkerLog, delay_after_token, outcomes, percentile, recovery_seconds
from benchmarks.fleet.scenarios import Size, revocation, run_scenarios, start
from benchmarks.fleet.simulation import Task, Variant, run
from prio_middleware.telemetry.providers import StoreReport


def call(began: float, seconds: float = 0.1, outcome: str = "200") -> LoggedRequest:
    return LoggedRequest(began, began + seconds, outcome)


def grant(began: float, seconds: float = 0.1) -> LoggedRequest:
    return LoggedRequest(began, began + seconds, "200", for_token=True)


def failed(assertions: Iterable[Assertion]) -> list[str]:
    return [assertion.what for assertion in assertions if assertion.passed is False]


def log(*requests: LoggedRequest) -> WorkerLog:
    return WorkerLog([each for each in requests if not each.for_token], list(requests))


REJECTED = [call(0.0), call(1.0, outcome="403"), grant(1.1, 0.3), call(1.4)]


@pytest.mark.parametrize(
    ("sent", "taken", "late"),
    [
        pytest.param([call(0.0), call(1.0)], None, None, id="no rejection"),
        pytest.param(REJECTED, 0.4, 0.1, id="it fetches the token"),
        pytest.param([call(1.0, 1.0, "403"), call(2.0, 0.5)], 0.5, 0.5, id="another process fetches the token"),
        pytest.param([call(1.0, outcome="403"), call(1.05, 0.2), call(1.5)], 0.5, 0.2, id="another call is in flight"),
        pytest.param([call(1.0, outcome="403"), grant(1.1)], float("inf"), float("inf"), id="no response after the rejection"),
    ],
)
def test_recovery_is_counted_from_the_first_rejection(
    sent: list[LoggedRequest], taken: float | None, late: float | None
) -> None:
    assert recovery_seconds(sent) == (taken if taken is None else pytest.approx(taken))
    assert delay_after_token(sent, token_at=1.4) == (late if late is None else pytest.approx(late))


def test_percentiles_and_outcomes() -> None:
    requests = [call(0.0, seconds / 100) for seconds in range(1, 101)]
    assert percentile(requests, 0.99) == 1.0
    assert percentile(requests, 0.5) == 0.51
    assert percentile([], 0.5) == 0
    assert outcomes([call(0.0), call(0.0, outcome="lost")]) == {"200": 1, "lost": 1}


def test_a_fleet_with_a_shared_store_starts_with_one_token_request() -> None:
    one, two = log(grant(0.0), call(0.1)), log(call(0.1))
    assert failed(check_start("", [one, two], shared=True)) == []
    assert failed(check_start("", [one, one], shared=True)) == ["token requests"]
    assert failed(check_start("", [one, one], shared=False)) == []
    assert failed(check_start("", [one, log(call(0.0, outcome="lost"))], shared=False)) == ["calls that failed"]


def test_store_failures_are_counted_by_process() -> None:
    answered, unanswered = StoreReport(), StoreReport(failures=2, last_failure="TimeoutError")
    assert check_store("", [answered]).measured == "none"
    assert check_store("", [answered, unanswered, unanswered]).measured == "TimeoutError: 2"


def test_a_revocation_costs_one_token_request_and_no_delay() -> None:
    found = WorkerLog([call(0.0), call(1.0, 0.5)], REJECTED)
    assert failed(check_revocation("", [found, log(call(0.0))])) == []
    assert failed(check_revocation("", [found, found])) == ["token requests"]
    late = WorkerLog([call(0.0)], [call(1.0, outcome="403"), call(5.0)])
    assert failed(check_revocation("", [found, late])) == ["… from the arrival of the new token"]
    assert failed(check_revocation("", [log(call(0.0))])) == ["token requests"]


def test_a_killed_leader_is_replaced_within_the_lease() -> None:
    assert failed(check_leader_killed("", [log(call(0.0, 9.0))], 1.0, 2)) == []
    assert failed(check_leader_killed("", [log(call(0.0, 13.0))], 1.0, 3)) == [
        "token requests, the killed leader's included",
        "from the kill to the last response",
    ]


def test_an_outage_needs_expiries_and_costs_no_time() -> None:
    outage = Outage(10.0, 20.0)
    expiries = [grant(10.0 + moment) for moment in range(5)]
    quick, slow = log(call(0.0), call(11.0), *expiries), log(call(0.0), call(11.0, 0.2), *expiries)
    too_few = log(call(0.0), call(11.0), *expiries[1:], grant(5.0), grant(20.0))
    assert failed(check_outage("", [quick], [], outage)) == []
    assert failed(check_outage("", [too_few], [], outage)) == ["expiries during the outage, in each process"]
    assert failed(check_outage("", [slow], [quick], outage)) == ["p99 of a call, before and since"]
    assert failed(check_outage("", [slow], [slow], outage)) == []  # The machine was slower, not the store.


def test_a_steady_state_costs_the_same() -> None:
    assert failed(check_steady("", 1.01, 0.99, 1.03)) == []
    assert len(failed(check_steady("", 1.1, 1.05, 1.2))) == 1


def test_the_table_shows_failed_assertions() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(assertion_table([Assertion("start", "one", "2", False), Assertion("start", "two", "3 s", None)], Size()))
    text = console.export_text()
    assert text.count("start") == 1
    assert "failed" in text


def test_real_processes_request_as_many_tokens_as_simulated_ones() -> None:
    if binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    number = 4
    assertions = run_scenarios(Size(processes=number, threads=3), lambda _description: None, [start, revocation])
    real = [int(each.measured) for each in assertions if each.what == "token requests"]
    plan = Plan(hours=1, deployments=(), revocations=(0.5,), outages=(), killed=())
    day = Task(Variant(sharing=True, jitter=True), number, Conditions(), plan, 1)
    shared, alone = run(day), run(day._replace(variant=Variant(sharing=False, jitter=True)))

    assert failed(each for each in assertions if not each.what.startswith("…")) == []  # Times are not tested.
    assert real == [shared.worst["start"], number, shared.worst["revoked"]] == [1, number, 1]
    assert shared.hours[0] - shared.worst["due"] == 2
    assert alone.hours[0] >= 2 * number


def test_an_unknown_part_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-thing"])
    assert "simulate" in capsys.readouterr().err
