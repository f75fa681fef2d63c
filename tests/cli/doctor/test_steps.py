from __future__ import annotations

import pytest

from prio_middleware.cli.doctor.steps import Finding, Status, Step, examine


def step(name: str, status: Status, *needs: Step) -> Step:
    return Step(name, lambda: Finding(status, f"{name} was looked at"), needs=needs)


def statuses(steps: list[Step]) -> dict[str, str]:
    results = list(examine(steps, lambda step: (step.look(), 0.25)))
    return {result.step.name: f"{result.finding.status} {result.seconds}" for result in results}


@pytest.mark.parametrize("status", [Status.OK, Status.WARN])
def test_a_step_that_went_well_lets_others_follow(status: Status) -> None:
    first = step("first", status)

    assert statuses([first, step("second", Status.OK, first)]) == {"first": f"{status} 0.25", "second": "ok 0.25"}


def test_what_needs_a_failed_step_is_not_tried_and_neither_is_what_needs_that() -> None:
    first = step("first", Status.FAIL)
    second = step("second", Status.OK, first)
    third = step("third", Status.OK, second)

    assert statuses([first, second, third, step("other", Status.OK)]) == {
        "first": "fail 0.25",
        "second": "skip 0.0",
        "third": "skip 0.0",
        "other": "ok 0.25",
    }


def test_a_skipped_step_says_what_it_needs() -> None:
    first = step("first", Status.FAIL)
    *_, skipped = examine([first, step("second", Status.OK, first)], lambda step: (step.look(), 0.0))

    assert skipped.finding.summary == "Not tried: it needs first."
