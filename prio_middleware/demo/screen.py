"""Screen of the demo. Needs ``rich``."""

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

from .fixture import AtMost, Scene
from .trace import RecordedSpan, span_tree

GOOD, BAD, ASIDE = "green", "bold red", "dim"
MARGIN = " " * 4


class Screen:
    """Writer of the demo's text: plain lines to a pipe, and a progress bar as well on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, 100)  # longer lines are hard to read
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def heading(self, text: str, style: str = "bold") -> None:
        """Write a blank line and ``text``."""
        self._console.print()
        self.write(text, style, margin="")

    def write(self, text: str, style: str = "", *, margin: str = MARGIN) -> None:
        """Write ``text`` with line breaks that fit."""
        self._console.print(Text(textwrap.fill(text, self._width, initial_indent=margin, subsequent_indent=margin), style))

    @contextmanager
    def scene(self, number: int, scene: Scene) -> Generator[None]:
        """Describe the scene, and show the progress of the block."""
        title = f"{number:>2}  {scene.title}".ljust(self._width - len(scene.clients))
        self._console.print()
        self._console.print(Text.assemble((title, "bold"), (scene.clients, ASIDE)))
        self.write(scene.story)
        if scene.limits_off:
            self.write(f"The API's limits are off here: {scene.limits_off}.", ASIDE)
        progress = Progress(
            TextColumn(MARGIN[:-1]),
            SpinnerColumn("line", style=""),
            BarColumn(bar_width=30, style=ASIDE, complete_style=GOOD, finished_style=GOOD, pulse_style=GOOD),
            TextColumn("{task.completed:,} answered{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_interactive,
        )
        with progress:
            self._progress, self._task = progress, progress.add_task("", total=scene.total_calls)
            yield
        self._progress = None

    def progress(self, text: str | None = None, *, advance: int = 0) -> None:
        """Advance the progress bar by ``advance`` calls, and show ``text`` beside it."""
        if self._progress:
            self._progress.update(self._task, description=text, advance=advance)

    def outcome(self, scene: Scene) -> None:
        for note in scene.notes:
            self.write(note, margin=f"{MARGIN}| ")
        if scene.failure:
            self.write(scene.failure, BAD)
        for what in scene.expected:
            self._console.print(Text.assemble(MARGIN, _verdict(scene, what), f"{_counted(scene, what):>7}  {what}"))
        if scene.timing:
            self.write(scene.timing, ASIDE)

    def summary(self, scenes: Sequence[Scene]) -> None:
        """Show every expectation in a table."""
        titles = "Step", "What the server counted", "Expected", "Counted", "Verdict"
        table = Table(*titles, box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        table.columns[2].justify = table.columns[3].justify = "right"
        for position, scene in enumerate(scenes, 1):
            label = f"{position:>2} {scene.title}"
            for what, number in scene.expected.items():
                expected = f"at most {number:,}" if isinstance(number, AtMost) else f"{number:,}"
                table.add_row(label, what, expected, _counted(scene, what), _verdict(scene, what))
                label = ""
        self._console.print()
        self._console.print(table, width=self._width)

    def trace(self, spans: Sequence[RecordedSpan]) -> None:
        self._console.print(Padding(span_tree(spans), (0, 0, 0, len(MARGIN))), width=self._width)


def _counted(scene: Scene, what: str) -> str:
    return f"{scene.counted[what]:,}" if what in scene.counted else "-"


def _verdict(scene: Scene, what: str) -> Text:
    return Text("ok", GOOD) if scene.met(what) else Text("FAILED", BAD)
