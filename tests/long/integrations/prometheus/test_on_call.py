"""``make on-call``: every fault fires its alert and no other, and the table shows it."""

from __future__ import annotations

import pytest

from tests.long.integrations.prometheus.on_call import FAULTS, HEAD, Fault, Outcome, main
from tests.long.integrations.prometheus.rules import alerts
from tests.long.integrations.prometheus.test_live import PROMETHEUS

SLOW = {"PrioTokenErrorBudgetBurnSlow"}
"""Burns for hours: `promtool test rules` alone tries it."""


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")
def test_every_fault_fires_its_alert_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--at-once", "5", "--patience", "2"])  # Five at a time, beside other tests, take longer.
    printed = capsys.readouterr().out

    assert status == 0, printed
    assert printed.count("as expected") == len(FAULTS) + 1


def test_every_alert_has_a_fault_for_which_it_must_fire_and_some_are_for_none() -> None:
    assert {fault.fires for fault in FAULTS if fault.fires} == {alert["alert"] for alert in alerts()} - SLOW
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 10
    assert [fault for fault in FAULTS if fault.fires is None]


FAULT = Fault("a fault", lambda _: None, "A", 8, frozenset({"B"}))


@pytest.mark.parametrize(
    ("fired", "complaint"),
    [
        ({"A": 3.0}, "as expected"),
        ({"A": 3.0, "B": 2.0}, "as expected"),
        ({}, "A did not fire"),
        ({"A": 3.0, "C": 2.0}, "C fired"),
    ],
)
def test_a_difference_is_in_the_table(fired: dict[str, float], complaint: str) -> None:
    row = Outcome(FAULT, fired).row
    assert row.endswith(complaint)
    assert row.index("3 min" if fired else "-") < len(HEAD)
