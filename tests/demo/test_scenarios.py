from __future__ import annotations

import dataclasses
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from prio_middleware.demo.scenario import Scenario, findings
from prio_middleware.demo.scenarios import all_scenarios
from prio_middleware.demo.scenarios.plain_http import waiting
from prio_middleware.demo.size import FULL, QUICK

if TYPE_CHECKING:
    from prio_middleware.demo.stage import Stage
    from tests.demo.conftest import Listener

TINY = dataclasses.replace(QUICK, calls=20, threads=5, forbidden=40, callers=10)
SCENARIOS = {scenario.title: scenario for scenario in all_scenarios(TINY)}


def counted(title: str, stage: Stage) -> dict[str, int]:
    return dict(SCENARIOS[title].play(stage).counted)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_scenario_counts_what_it_expects_and_meets_it(scenario: Scenario, stage: Stage) -> None:
    stage.make_ready(limits=scenario.no_limits is None)
    observed = scenario.play(stage)
    assert set(observed.counted) == {expectation.what for expectation in scenario.expected}
    assert [finding for finding in findings(scenario, observed) if not finding.met] == []
    shown = json.dumps(observed.notes)
    assert stage.sandbox.client_secret not in shown
    assert "not-the-secret" not in shown


def test_titles_and_counts_fit_in_a_table_of_80_columns() -> None:
    for scenario in all_scenarios(FULL):
        assert len(scenario.title) <= 20
        assert max(len(expectation.what) for expectation in scenario.expected) <= 25


def test_the_progress_of_a_burst_is_shown_call_by_call(stage: Stage, audience: Listener) -> None:
    stage.make_ready(limits=False)
    SCENARIOS["Burst, threads"].play(stage)
    assert audience.ticks == SCENARIOS["Burst, threads"].calls == TINY.calls


def test_the_calls_in_flight_are_shown_until_they_are_revoked(stage: Stage, audience: Listener) -> None:
    stage.make_ready(limits=False)
    SCENARIOS["Revocation in flight"].play(stage)
    assert audience.said[-2:] == [", 20 in flight", ", revoked"]


def test_a_burst_whose_calls_fail_says_so(stage: Stage) -> None:
    stage.admin.configure(refuse_credentials=True, limits=False)
    observed = SCENARIOS["Burst, tasks"].play(stage)
    assert observed.counted["answers 200"] == 0
    assert "20 calls had no answer. CredentialsRefusedError" in observed.notes[0]


def test_a_revocation_does_not_wait_for_calls_that_were_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*arguments: Any) -> None:
        arguments[-1].stop()

    monkeypatch.setattr("prio_middleware.demo.scenarios.revocation.from_both", give_up)
    assert SCENARIOS["Revocation in flight"].play(stage).counted["answers 200"] == 0


def test_the_naive_client_is_blocked(stage: Stage) -> None:
    (note,) = SCENARIOS["Inside the limits"].play(stage).notes
    assert "61 answers 403. Then it was blocked" in note


def test_connections_that_wait_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()), socket.create_connection(listener.getsockname()):
            assert waiting(listener) == 2
        assert waiting(listener) == 0
