"""Asking again and again, until Ctrl-C. A question that fails later on leaves what is known, marked as old."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ...errors import PrioError
from ..terminal import visible, write
from .pace import Pace
from .report import LEVELS, Report, moment

if TYPE_CHECKING:
    from rich.console import Console

    from ...status.model import Status
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
    """Tell the news: in place on a terminal, one report after another elsewhere.

    A terminal that is too low shows the beginning. So what is old is said first, and the worst clients stand first.
    """
    report, pace = Report(console), Pace()
    if not console.is_terminal:
        for told, failure in heard:
            console.print(Group(*_lines(told.status, failure, report, pace)))
            console.print()
            console.file.flush()
        return
    with Live(console=console, auto_refresh=False) as live:
        for told, failure in heard:
            lines = _lines(_worst_first(told.status), failure, report, pace)
            live.update(Group(*map(_wrapped, lines)), refresh=True)


def write_lines(heard: Iterator[News]) -> None:
    """Write what is new for programs, one document a line."""
    for told, failure in heard:
        if failure is None:
            write(visible(json.dumps(told.document, ensure_ascii=False)) + "\n", flush=True)


def _lines(status: Status, failure: PrioError | None, report: Report, pace: Pace) -> list[Text]:
    who, how, *clients = report.lines(status, pace.of(status))
    return [who, how, *_remarks(status, failure, pace.processes), *clients]


def _wrapped(line: Text) -> Text:
    """A line that is too long goes on below: what is shown in place would be cut otherwise."""
    line.no_wrap, line.overflow = False, "fold"
    return line


def _remarks(status: Status, failure: PrioError | None, pids: list[int]) -> Iterator[Text]:
    """What is to be known before the rest is read."""
    if len(pids) > 1:
        listed = ", ".join(map(str, pids))
        yield Text(f"Several processes answer at this address, each for itself: so far {listed}.", "yellow")
    if failure:
        yield Text(f"Stale: no news since {moment(status.at):%H:%M:%S}. {visible(failure.message)}", "bold red")
    else:
        yield Text(f"At {moment(status.at):%H:%M:%S}. Ctrl-C ends it.", "dim")


def _worst_first(status: Status) -> Status:
    worst_first = list(LEVELS)
    return replace(status, clients=tuple(sorted(status.clients, key=lambda client: worst_first.index(client.condition.level))))
