from __future__ import annotations

import pytest

from prio_middleware.demo.scenario import Expectation, Observed, Scenario, at_most, exactly, findings
from prio_middleware.demo.stage import Stage


def nothing(_: Stage) -> Observed:
    return Observed({})


TWO = Scenario("A title", "sync httpx", "A story.", (exactly(2, "apples"), at_most(3, "pears")), nothing)


@pytest.mark.parametrize(
    ("expectation", "counted", "met"),
    [
        (exactly(2, "apples"), 1, False),
        (exactly(2, "apples"), 2, True),
        (exactly(2, "apples"), 3, False),
        (at_most(2, "apples"), 0, True),
        (at_most(2, "apples"), 2, True),
        (at_most(2, "apples"), 3, False),
    ],
    ids=str,
)
def test_a_count_meets_an_expectation_or_does_not(expectation: Expectation, counted: int, met: bool) -> None:
    scenario = Scenario("", "", "", (expectation,), nothing)
    (finding,) = findings(scenario, Observed({"apples": counted}))
    assert finding.met is met


def test_an_expectation_reads_as_it_is_meant() -> None:
    assert [str(expectation) for expectation in (exactly(1000, "apples"), at_most(3, "pears"))] == ["1,000", "at most 3"]


def test_findings_follow_the_order_of_the_expectations() -> None:
    found = findings(TWO, Observed({"pears": 4, "apples": 2}))
    assert [(finding.expected.what, finding.counted, finding.met) for finding in found] == [
        ("apples", 2, True),
        ("pears", 4, False),
    ]


@pytest.mark.parametrize("observed", [None, Observed({})], ids=["broken", "uncounted"])
def test_what_was_not_counted_was_not_met(observed: Observed | None) -> None:
    assert [(finding.counted, finding.met) for finding in findings(TWO, observed)] == [(None, False), (None, False)]
