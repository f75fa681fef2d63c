"""What a person sees of the demo. Needs ``rich``, of the extra ``cli``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .scenario import Finding, Observed, Scenario

WIDTH = 100
"""Columns that are used at most: longer lines are hard to read."""

INDENT = 4
BLUE, GREEN, RED = "cyan", "green", "bold red"


class Screen:
    """Writes to a console: plain lines where it is a pipe, and moving ones besides where it is a terminal.

    Args:
        console: where to write; none but the colours of the terminal's own palette are used.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDTH)
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def open(self) -> None:
        """Say what this is."""
        self._print()
        self._print(Text("prio_middleware: httpx clients that see to their own OAuth 2.0 tokens.", "bold"))
        self._print(Text("An embedded Prio API expires, revokes and refuses, over real TLS, and keeps count."))

    @contextmanager
    def scene(self, number: int, scenario: Scenario) -> Iterator[None]:
        """Tell what is about to happen, and show it happening."""
        self._print()
        self._print(_heading(number, scenario))
        self._indented(Text(scenario.story))
        if scenario.no_limits:
            self._indented(Text(f"The API's limits are off for this: {scenario.no_limits}.", "dim"))
        with self._moving(scenario.calls):
            yield

    def tick(self) -> None:
        """A call ended."""
        if self._progress:
            self._progress.advance(self._task)

    def outcome(self, found: Sequence[Finding], observed: Observed | None, failure: str | None = None) -> None:
        """Tell how it ended."""
        for note in observed.notes if observed else ():
            self._indented(Text(f"> {note}", BLUE))
        if failure:
            self._indented(Text(failure, RED))
        self._indented(_verdict(found, observed))

    def close(self, results: Sequence[tuple[Scenario, Sequence[Finding]]], seconds: float) -> None:
        """Sum up, and say where to go from here."""
        found = [finding for _, findings in results for finding in findings]
        met = sum(finding.met for finding in found)
        self._print()
        self._print(_table(results))
        style = GREEN if met == len(found) else RED
        self._print(Text(f"{met} of {len(found)} expectations met, in {seconds:.1f} s.", style))
        self._print(Text("Next: README.md has the first lines of your own client; `make test` runs every proof."))

    @contextmanager
    def _moving(self, calls: int | None) -> Iterator[None]:
        progress = Progress(
            TextColumn(" " * (INDENT - 1)),
            SpinnerColumn("line", style=BLUE),
            BarColumn(bar_width=30, style="dim", complete_style=BLUE, finished_style=BLUE, pulse_style=BLUE),
            MofNCompleteColumn(),
            TextColumn("calls"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_interactive,
        )
        with progress:
            self._progress, self._task = progress, progress.add_task("", total=calls)
            yield
        self._progress = None

    def _indented(self, text: Text) -> None:
        self._print(Padding(text, (0, 0, 0, INDENT)))

    def _print(self, *things: object) -> None:
        self._console.print(*things, width=self._width)


def _heading(number: int, scenario: Scenario) -> Table:
    row = Table.grid(expand=True)
    row.add_column(width=INDENT)
    row.add_column(ratio=1)
    row.add_column(justify="right")
    row.add_row(Text(f"{number:>2}"), Text(scenario.title, "bold"), Text(scenario.clients, "dim"))
    return row


def _verdict(found: Sequence[Finding], observed: Observed | None) -> Text:
    missed = [finding for finding in found if not finding.met]
    text = Text("FAILED", RED) if missed else Text("ok", GREEN)
    text.append(_pace(observed), "default")
    for finding in missed:
        text.append(f"\n{finding.expected.what}: {_counted(finding)} counted, {finding.expected} expected", RED)
    return text


def _pace(observed: Observed | None) -> str:
    if not (observed and observed.calls):
        return ""
    return f"  {observed.calls:,} calls in {observed.seconds:.2f} s: {observed.calls / observed.seconds:,.0f} a second"


def _table(results: Sequence[tuple[Scenario, Sequence[Finding]]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("Step")
    table.add_column("What the server counted")
    table.add_column("Expected", justify="right")
    table.add_column("Counted", justify="right")
    table.add_column("Verdict")
    for number, (scenario, findings) in enumerate(results, 1):
        label = f"{number:>2}  {scenario.title}"
        for finding in findings:
            table.add_row(label, finding.expected.what, str(finding.expected), _counted(finding), _word(finding))
            label = ""
    return table


def _counted(finding: Finding) -> str:
    return "nothing" if finding.counted is None else f"{finding.counted:,}"


def _word(finding: Finding) -> Text:
    return Text("ok", GREEN) if finding.met else Text("FAILED", RED)
