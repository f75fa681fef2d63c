from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from prio_middleware.cli.check_probes import CheckFinding, CheckStatus, Step, StepResult, run_steps, run_within


def step(name: str, status: CheckStatus, *needs: Step) -> Step:
    return Step(name, lambda: CheckFinding(status, f"{name} was run"), needs=needs)


def run(step: Step, _: float) -> StepResult:
    return StepResult(step, step.run(), 0.25)


def statuses(steps: list[Step]) -> dict[str, str]:
    return {result.step.name: f"{result.finding.status} {result.seconds}" for result in run_steps(steps, 10, run)}


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
    *_, skipped = run_steps([first, step("second", CheckStatus.OK, first)], 10, run)

    assert skipped.finding.summary == "Skipped: it needs first."


@pytest.mark.parametrize(
    ("taken", "limits"),
    [
        ([0.0, 0.0, 0.0], [5.0, 5.0, 10.0]),
        ([5.0, 2.5, 2.5], [5.0, 2.5, 2.5]),
        ([1.0, 3.0, 0.0], [5.0, 4.5, 6.0]),
        ([12.0, 0.0, 0.0], [5.0, 0.0, 0.0]),
    ],
)
def test_all_steps_share_one_time_limit(taken: Sequence[float], limits: Sequence[float]) -> None:
    seen: list[float] = []

    def timed(step: Step, seconds: float) -> StepResult:
        seen.append(seconds)
        return StepResult(step, step.run(), taken[len(seen) - 1])

    steps = [step(name, CheckStatus.OK) for name in ("first", "second", "third")]

    assert len(list(run_steps(steps, 10, timed))) == 3
    assert seen == limits


def test_a_step_that_does_not_end_is_given_up() -> None:
    ended = threading.Event()
    hanging = Step("dns", lambda: CheckFinding(CheckStatus.OK, str(ended.wait())), "api.example:443")

    finding = run_within(hanging, 0.01)
    ended.set()

    assert finding.status is CheckStatus.FAIL
    assert "api.example:443" in finding.summary
    assert "--timeout" in str(finding.remedy)


def test_an_error_of_a_step_is_not_swallowed() -> None:
    def fail() -> CheckFinding:
        raise RuntimeError("a fault of this program")

    with pytest.raises(RuntimeError, match="a fault of this program"):
        run_within(Step("tcp", fail), 60)
