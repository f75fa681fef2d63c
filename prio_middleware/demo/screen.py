"""What a person sees of the demo. Needs ``rich``, of the extra ``cli``."""

from __future__ import annotations

import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .scenario import Finding, Observed, Scenario
from .span_tree import span_tree
from .spans import KeptSpan

WIDTH = 100
"""Columns that are used at most: longer lines are hard to read."""

GOOD, BAD, ASIDE = "green", "bold red", "dim"

_MARGIN = " " * 4


class Screen:
    """Writes to a console: plain lines where it is a pipe, and a moving one besides where it is a terminal.

    Args:
        console: where to write. Its own palette is used, so that it looks right on a light and on a dark ground.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDTH)
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def open(self) -> None:
        """Say what this is."""
        self._console.print()
        self._write("prio_middleware: httpx clients that see to their own OAuth 2.0 tokens.", "bold", margin="")
        self._write("An embedded Prio API expires, revokes and refuses, over real TLS, and counts.", margin="")

    @contextmanager
    def scene(self, number: int, scenario: Scenario) -> Generator[None]:
        """Tell what is about to happen, and show it happening."""
        self._console.print()
        self._console.print(_heading(number, scenario), width=self._width)
        self._write(scenario.story)
        if scenario.no_limits:
            self._write(f"The API's limits are off here: {scenario.no_limits}.", ASIDE)
        with self._moving(scenario.calls):
            yield

    def tick(self) -> None:
        """A call ended."""
        if self._progress:
            self._progress.advance(self._task)

    def say(self, text: str) -> None:
        """Something happened that is no call."""
        if self._progress:
            self._progress.update(self._task, description=text)

    def outcome(self, found: Sequence[Finding], observed: Observed | None, failure: str | None = None) -> None:
        """Tell how it ended."""
        for note in observed.notes if observed else ():
            self._write(note, margin=f"{_MARGIN}| ")
        if failure:
            self._write(failure, BAD)
        for finding in found:
            self._console.print(Text.assemble(_MARGIN, _word(finding), f"{_counted(finding):>7}  {finding.expected.what}"))
        if observed and observed.timing:
            self._write(observed.timing, ASIDE)

    def sums(self, results: Sequence[tuple[Scenario, Sequence[Finding]]]) -> None:
        """Sum up."""
        self._console.print()
        self._console.print(_table(results), width=self._width)

    def trace(self, spans: Sequence[KeptSpan]) -> None:
        """Show where the time of one call went."""
        self._console.print()
        self._write("Where the time went", "bold", margin="")
        self._write(
            "One call with a revoked token, while the token endpoint fails once: "
            "most of the time is the pause before it is asked again."
        )
        self._console.print(Padding(span_tree(spans), (0, 0, 0, len(_MARGIN))), width=self._width)

    def close(self, results: Sequence[tuple[Scenario, Sequence[Finding]]], seconds: float) -> None:
        """Say whether all was well, and where to go from here."""
        found = [finding for _, findings in results for finding in findings]
        met = sum(finding.met for finding in found)
        self._console.print()
        self._write(
            f"{met} of {len(found)} expectations met, in {seconds:.1f} s.", GOOD if met == len(found) else BAD, margin=""
        )
        self._write("Next: `make test` runs every proof; README.md starts your own client.", margin="")

    @contextmanager
    def _moving(self, calls: int | None) -> Generator[None]:
        progress = Progress(
            TextColumn(_MARGIN[:-1]),
            SpinnerColumn("line", style=""),
            BarColumn(bar_width=30, style=ASIDE, complete_style=GOOD, finished_style=GOOD, pulse_style=GOOD),
            TextColumn("{task.completed:,} answered{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_interactive,
        )
        with progress:
            self._progress, self._task = progress, progress.add_task("", total=calls)
            try:
                yield
            finally:
                self._progress = None

    def _write(self, text: str, style: str = "", *, margin: str = _MARGIN) -> None:
        self._console.print(Text(textwrap.fill(text, self._width, initial_indent=margin, subsequent_indent=margin), style))


def _heading(number: int, scenario: Scenario) -> Table:
    row = Table.grid(expand=True)
    row.add_column(width=len(_MARGIN))
    row.add_column(ratio=1)
    row.add_column(justify="right")
    row.add_row(f"{number:>2}", Text(scenario.title, "bold"), Text(scenario.clients, ASIDE))
    return row


def _table(results: Sequence[tuple[Scenario, Sequence[Finding]]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Step", no_wrap=True)
    table.add_column("What the server counted", overflow="fold")
    table.add_column("Expected", justify="right", overflow="fold")
    table.add_column("Counted", justify="right", overflow="fold")
    table.add_column("Verdict", overflow="fold")
    for number, (scenario, findings) in enumerate(results, 1):
        label = f"{number:>2} {scenario.title}"
        for finding in findings:
            table.add_row(label, finding.expected.what, str(finding.expected), _counted(finding), _word(finding))
            label = ""
    return table


def _counted(finding: Finding) -> str:
    return "-" if finding.counted is None else f"{finding.counted:,}"


def _word(finding: Finding) -> Text:
    return Text("ok", GOOD) if finding.met else Text("FAILED", BAD)
