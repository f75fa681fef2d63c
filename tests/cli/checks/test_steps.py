from __future__ import annotations

import pytest

from prio_middleware.cli.check_probes import CheckFinding, CheckStatus, Step, run_steps


def step(name: str, status: CheckStatus, *needs: Step) -> Step:
    return Step(name, lambda: CheckFinding(status, f"{name} was run"), needs=needs)


def statuses(steps: list[Step]) -> dict[str, str]:
    results = list(run_steps(steps, lambda step: (step.run(), 0.25)))
    return {result.step.name: f"{result.finding.status} {result.seconds}" for result in results}


GOOD: list[CheckStatus] = [CheckStatus.OK, CheckStatus.WARN]


def test_a_step_that_went_well_lets_others_follow(subtests: pytest.Subtests) -> None:
    for status in GOOD:
        with subtests.test(str(status)):
            first = step("first", status)

            assert statuses([first, step("second", CheckStatus.OK, first)]) == {"first": f"{status} 0.25", "second": "ok 0.25"}


def test_steps_that_depend_on_a_failed_step_are_skipped() -> None:
    first = step("first", CheckStatus.FAIL)
    second = step("second", CheckStatus.OK, first)
    third = step("third", CheckStatus.OK, second)

    assert statuses([first, second, third, step("other", CheckStatus.OK)]) == {
        "first": "fail 0.25",
        "second": "skip 0.0",
        "third": "skip 0.0",
        "other": "ok 0.25",
    }


def test_a_skipped_step_says_what_it_needs() -> None:
    first = step("first", CheckStatus.FAIL)
    *_, skipped = run_steps([first, step("second", CheckStatus.OK, first)], lambda step: (step.run(), 0.0))

    assert skipped.finding.summary == "Skipped: it needs first."
