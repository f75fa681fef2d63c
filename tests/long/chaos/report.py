"""Report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.long.chaos.checks import RULES, violations
from tests.long.chaos.rounds import Round

SHOWN = 5
"""Violations of a rule that are printed for each round."""


class Report:
    """Adds rounds up, and prints each violation as it is found.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._found: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._happened: Counter[str] = Counter()
        self._arrivals = self._second = self._tokens = self._rounds = 0

    def add(self, played: Round) -> None:
        """Check a round."""
        history = played.history
        self._rounds += 1
        self._ends.update(call.how if call.how != "response" else f"{call.status}" for call in history.calls)
        self._happened.update(span.what for span in played.spans)
        self._arrivals += len(history.arrivals)
        self._second += sum(len(arrivals) > 1 for arrivals in history.sent().values())
        self._tokens += played.token_requests
        found = violations(history)
        self._found.update({rule: len(each) for rule, each in found.items()})
        name = f"{played.seed} with {played.store}" if played.store else played.seed
        self._console.print(
            f"round {name}: {len(history.calls)} calls, {played.token_requests} token requests, "
            f"{len(played.spans)} disturbances, {sum(map(len, found.values()))} violations"
        )
        for rule, each in found.items():
            self._show(rule, each, played)

    def close(self) -> int:
        """Print the sums. Returns the exit status."""
        self._console.print(_table("What went wrong", "times", self._happened.most_common()))
        self._console.print(_table("How calls ended", "calls", self._ends.most_common()))
        self._console.print(_table("What has to be true", "violations", [(rule, self._found[rule]) for rule in RULES]))
        total = self._found.total()
        self._console.print(
            f"{self._ends.total()} calls in {self._rounds} rounds: {self._arrivals} requests, {self._second} of the calls sent "
            f"twice, {self._tokens} token requests. {total} violations.",
            style="bold red" if total else "green",
        )
        return 1 if total else 0

    def _show(self, rule: str, found: Sequence[str], played: Round) -> None:
        for each in found[:SHOWN]:
            self._console.print(f"  {rule}: {each}", style="bold red")
        if len(found) > SHOWN:
            self._console.print(f"  ... and {len(found) - SHOWN} more", style="bold red")
        if found:
            spans = ", ".join(f"{span.what} {span.began:.2f} to {span.ended:.2f}" for span in played.spans)
            self._console.print(f"  {spans}", style="dim")


def _table(title: str, heading: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column(heading, justify="right")
    for name, count in rows:
        table.add_row(name, str(count))
    return table
