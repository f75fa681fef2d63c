"""Results of a scenario: rows to compare, and rows that give the reason why there is nothing to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from .measuring import Estimate
from .subject import Colour, Subject

Value = float | Estimate

LEVEL = 0.01
"""Two numbers that differ by less than this part of them are level."""


class Column(NamedTuple):
    """A column, and how its numbers are printed.

    Attributes:
        title: its heading, with the unit.
        digits: digits after the point.
        raced: less is better, and every peer is compared with this library.
    """

    title: str
    digits: int = 0
    raced: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One subject in one situation.

    Attributes:
        name: the package.
        stack: the HTTP library below it.
        role: ours, a peer, or the floor.
        colour: sync or async.
        size: how many, where that varies.
        values: numbers by the name of their column.
        why: why there are none, or what must be known about them.
    """

    name: str
    stack: str
    role: Literal["ours", "peer", "floor"]
    colour: Colour
    size: int | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""

    @property
    def label(self) -> str:
        """The name, with the HTTP library below."""
        return f"{self.name} ({self.stack})"


def row(subject: Subject, colour: Colour, size: int | None = None, why: str = "", /, **values: Value) -> Row:
    """A row about ``subject``."""
    return Row(subject.name, subject.stack, subject.role, colour, size, values, why)


@dataclass(frozen=True, slots=True)
class Table:
    """Result of one scenario.

    Attributes:
        name: a word for file names.
        title: a heading.
        method: how it was measured.
        columns: by name, in their order.
        rows: in the order of the subjects.
        plot: the column to draw.
        sizes: what the sizes count.
    """

    name: str
    title: str
    method: str
    columns: Mapping[str, Column]
    rows: list[Row]
    plot: str
    sizes: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it; an estimate becomes its median and the ends of its interval."""
        return asdict(self)

    def behind(self) -> Iterator[str]:
        """Return the rows in which a peer did better than this library, beyond the intervals."""
        for theirs in self.rows:
            ours = self._rivals(theirs) if theirs.role == "peer" and not theirs.why else []
            for name, column in self.columns.items():
                if ours and column.raced and all(_is_less(theirs.values.get(name), mine.values.get(name)) for mine in ours):
                    best = min(ours, key=lambda mine: middle(mine.values[name]))
                    yield _sentence(self, column, best, theirs, name)

    def _rivals(self, theirs: Row) -> list[Row]:
        """Return this library's rows in the same situation: on the same HTTP library, or else on each that it supports."""
        same = [row for row in self.rows if row.role == "ours" and (row.colour, row.size) == (theirs.colour, theirs.size)]
        return [row for row in same if row.stack == theirs.stack] or same


def _is_less(theirs: Value | None, mine: Value | None) -> bool:
    if theirs is None or mine is None:
        return False
    high = theirs.high if isinstance(theirs, Estimate) else theirs
    low = mine.low if isinstance(mine, Estimate) else mine
    return high < low * (1 - LEVEL)


def middle(value: Value) -> float:
    """The number itself, without its interval."""
    return value.middle if isinstance(value, Estimate) else value


def _sentence(table: Table, column: Column, mine: Row, theirs: Row, name: str) -> str:
    place = f"{table.name}, {theirs.colour}" + (f", {theirs.size:,} {table.sizes}" if theirs.size is not None else "")
    numbers = (f"{middle(side.values[name]):.{column.digits}f}" for side in (theirs, mine))
    return f"{place}: {theirs.name} ({theirs.stack}) has {{}} and we have {{}} ({column.title})".format(*numbers)
