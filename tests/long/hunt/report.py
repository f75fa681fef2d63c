"""The hunt as a table: features down, places across, and in each cell how many texts were looked through."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tests.long.hunt.context import Leak
from tests.long.hunt.places import PLACES

WIDTH = 150
"""Columns where the output is no terminal."""


class Report:
    """The table and, below it, what was found.

    Args:
        console: where to print it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._table = Table("feature", "client", *PLACES, title="Texts searched")
        self._leaks: list[tuple[str, Leak]] = []
        self._table.columns[0].no_wrap = True
        for column in self._table.columns[2:]:
            column.justify = "right"

    def add(self, feature: str, client_kind: str, searched: dict[str, int], leaks: list[Leak]) -> None:
        """A row."""
        leaking = {leak.place for leak in leaks}
        cells = [f"{searched.get(place) or '-'}{' LEAK' if place in leaking else ''}" for place in PLACES]
        self._table.add_row(feature, client_kind, *cells)
        self._leaks += ((f"{feature}, {client_kind}", leak) for leak in leaks)

    def close(self) -> int:
        """Print it. Returns the exit status: 0 where nothing was found, else 1."""
        self._console.print(self._table)
        for place, what in PLACES.items():
            self._console.print(f"{place:<11}{what}")
        for feature, leak in dict.fromkeys(self._leaks):
            self._console.print(f"LEAK  {feature}: in {leak.place}, {leak.where}, {leak.how}")
        self._console.print(f"\n{len(self._leaks) or 'No'} leaks." if len(self._leaks) != 1 else "\n1 leak.")
        return 1 if self._leaks else 0
