"""Steps of an examination. One that needs a step which failed is not tried."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field


class Status(enum.StrEnum):
    """What came of a step."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found.

    Attributes:
        status: what came of it.
        summary: what was found, in one sentence.
        remedy: what to do about it, where there is something to do.
        facts: what was measured or read, for programs: numbers, texts, lists of texts.
        lines: the same for people, where one sentence does not hold it, and a comment on each.
    """

    status: Status
    summary: str
    remedy: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing to look at.

    Attributes:
        name: what is looked at: ``dns``, ``token``.
        look: does so.
        about: where it is looked at, such as ``api.example.com:443``.
        needs: the steps without which it cannot be looked at.
    """

    name: str
    look: Callable[[], Finding]
    about: str = ""
    needs: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a step found, and how long that took in seconds."""

    step: Step
    finding: Finding
    seconds: float = 0.0


def examine(steps: Iterable[Step], timed: Callable[[Step], tuple[Finding, float]]) -> Iterator[Result]:
    """Take the steps one after another; each comes after those it needs.

    Args:
        steps: what to look at.
        timed: takes one step, and says how long it took.
    """
    missed: set[Step] = set()
    for step in steps:
        missing = next((needed for needed in step.needs if needed in missed), None)
        if missing:
            result = Result(step, Finding(Status.SKIP, f"Not tried: it needs {missing.name}."))
        else:
            result = Result(step, *timed(step))
        if result.finding.status in {Status.FAIL, Status.SKIP}:
            missed.add(step)
        yield result
