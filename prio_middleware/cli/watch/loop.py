"""Asking again and again, until Ctrl-C. A question that fails later on leaves what is known, marked as old."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ...errors import PrioError
from ..terminal import visible, write
from .pace import Pace
from .report import Report, moment

if TYPE_CHECKING:
    from rich.console import Console

    from .source import Source, Told

News = tuple["Told", PrioError | None]
"""What was said last, and why nothing was said since."""


def news(source: Source, every: float, sleep: Callable[[float], object] = time.sleep) -> Iterator[News]:
    """Ask every so many seconds.

    Raises:
        PrioError: the first question was not answered.
    """
    told = source.ask()
    if isinstance(told, PrioError):
        raise told
    yield told, None
    while True:
        sleep(every)
        answer = source.ask()
        if isinstance(answer, PrioError):
            yield told, answer
        else:
            told = answer
            yield told, None


def show(heard: Iterator[News], console: Console) -> None:
    """Tell the news: in place on a terminal, one report after another elsewhere."""
    report, pace = Report(console), Pace()
    if not console.is_terminal:
        for told, failure in heard:
            console.print(_view(told, failure, report, pace))
            console.print()
            console.file.flush()
        return
    with Live(console=console, auto_refresh=False) as live:
        for told, failure in heard:
            live.update(_view(told, failure, report, pace), refresh=True)


def write_lines(heard: Iterator[News]) -> None:
    """Write what is new for programs, one document a line."""
    for told, failure in heard:
        if failure is None:
            write(visible(json.dumps(told.document, ensure_ascii=False)) + "\n", flush=True)


def _view(told: Told, failure: PrioError | None, report: Report, pace: Pace) -> Group:
    lines = list(report.lines(told.status, pace.of(told.status)))
    if len(pace.processes) > 1:
        pids = ", ".join(map(str, pace.processes))
        lines.append(Text(f"\nSeveral processes answer at this address, each for itself: so far {pids}.", "yellow"))
    if failure:
        since = f"{moment(told.status.at):%H:%M:%S}"
        lines.append(Text(f"\nStale: no news since {since}. {visible(failure.message)}", "bold red"))
    else:
        lines.append(Text(f"\nAt {moment(told.status.at):%H:%M:%S}. Ctrl-C ends it.", "dim"))
    return Group(*lines)
