"""The table of faults as it is printed: a row for each fault, a column for each kind of client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.long.e2e.faults.run_fault import FaultRun
from tests.long.e2e.faults.table import Fault

WIDTH = 140
"""Columns where the output is a file."""

_WHOLE = ("fault", "the call ends with")


class Report:
    """Collects what happened, and prints it at the end.

    Args:
        console: where to print.
        client_kinds: the kinds of client, in the order of the columns.
    """

    def __init__(self, console: Console, client_kinds: Sequence[str]) -> None:
        self._console = console
        self._client_kinds = client_kinds
        self._tables: dict[str, Table] = {}
        self._complaints: list[str] = []
        self._cells = 0

    def add(self, fault: Fault, run: Sequence[FaultRun]) -> None:
        """Enter a row: how most clients ended, and what the others did instead."""
        complaints = [each.complaints(fault) for each in run]
        usual, _ = Counter(each.ended for each in run).most_common(1)[0]
        cells = [_cell(each, usual, found) for each, found in zip(run, complaints, strict=True)]
        name = f"{fault.name}, once" if fault.times else fault.name
        self._table(fault).add_row(name, usual, str(fault.arrived), str(fault.others), *cells)
        self._cells += len(run)
        for client_kind, found in zip(self._client_kinds, complaints, strict=True):
            self._complaints += [f"{fault}, {client_kind}: {complaint}" for complaint in found]

    def close(self) -> int:
        """Print the tables and a verdict. Returns the exit status."""
        for table in self._tables.values():
            self._console.print(table)
        for complaint in self._complaints:
            self._console.print(complaint, style="bold red")
        if self._complaints:
            self._console.print(f"{len(self._complaints)} complaints at {self._cells} meetings.", style="bold red")
            return 1
        self._console.print(
            f"{self._cells} meetings of a client with a fault, all as expected. After each of them the next call had its "
            "answer, with one token request at most, and no connection, descriptor or call without its token was found.",
            style="green",
        )
        return 0

    def _table(self, fault: Fault) -> Table:
        answers = "" if fault.where in {"resolver", "account name", "headers file"} else ", in its answers"
        title = f"The {fault.where} is broken{', on the wire' if fault.trouble else answers}"
        if title not in self._tables:
            table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
            headings = [client_kind.replace("-", "\n") for client_kind in self._client_kinds]
            for heading in ("fault", "the call ends with", "requests\nthere", "else-\nwhere", *headings):
                table.add_column(heading, no_wrap=heading in _WHOLE)
            self._tables[title] = table
        return self._tables[title]


def _cell(run: FaultRun, usual: str, complaints: Sequence[str]) -> Text:
    if complaints:
        return Text(f"✗ {run.ended}", style="bold red")
    return Text("✓" if run.ended == usual else run.ended.removesuffix("Error"), style="green")
