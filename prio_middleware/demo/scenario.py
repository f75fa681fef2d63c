"""What a scenario is: a description, what is expected of it, and a function that plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stage import Stage

TOKEN_REQUESTS = "token requests"
"""What nearly every scenario counts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A number that the server is expected to count.

    Attributes:
        what: what is counted.
        number: how many are expected.
        at_most: fewer are as good.
    """

    what: str
    number: int
    at_most: bool = False

    def met_by(self, counted: int) -> bool:
        """Whether the number that was counted is as expected."""
        return counted <= self.number if self.at_most else counted == self.number

    def __str__(self) -> str:
        return f"at most {self.number:,}" if self.at_most else f"{self.number:,}"


def exactly(number: int, what: str) -> Expectation:
    """So many, no more and no fewer."""
    return Expectation(what, number)


def at_most(number: int, what: str) -> Expectation:
    """So many or fewer."""
    return Expectation(what, number, at_most=True)


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a scenario.

    Attributes:
        counted: what the sandbox counted, by the names that the expectations give it.
        timing: how long it took, where that says something.
        notes: what a user of the clients saw, in words.
    """

    counted: Mapping[str, int]
    timing: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scene of the demo.

    Attributes:
        title: its name, short enough for a column.
        clients: the HTTP libraries it is played with, and their colours.
        story: what happens in it.
        expected: what the sandbox is to count.
        play: plays it on a stage that was made ready.
        calls: how many calls it makes, where that is known beforehand.
        no_limits: why the API's limits have to be off; None where they are on.
    """

    title: str
    clients: str
    story: str
    expected: tuple[Expectation, ...]
    play: Callable[[Stage], Observed]
    calls: int | None = None
    no_limits: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation beside what was counted: None where the scenario did not come to its end."""

    expected: Expectation
    counted: int | None

    @property
    def met(self) -> bool:
        """Whether what was counted is as expected."""
        return self.counted is not None and self.expected.met_by(self.counted)


def findings(scenario: Scenario, observed: Observed | None) -> list[Finding]:
    """What was expected of a scenario, beside what came of it."""
    counted = observed.counted if observed else {}
    return [Finding(expectation, counted.get(expectation.what)) for expectation in scenario.expected]
