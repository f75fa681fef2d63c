"""One visit to each client: settings that cannot be used end it, and everything else is looked at."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from types import TracebackType

from ...errors import PrioError
from ...settings import Settings
from ..options import load
from ..route import Route
from ..settings_shown import chosen, rows
from ..terminal import waiting
from .examination import Examination, no_examination
from .judgement import judge_settings
from .steps import Finding, Result, Step, examine


def visits(name: str | None, path: str | None, *, ask_secret: bool) -> Iterator[tuple[str, Iterator[Result]]]:
    """Each client, with the results as they come in.

    Args:
        name: the client to look at; every one if left out.
        path: what to call with a token.
        ask_secret: ask for the client's secret.
    """
    notes = Notes()
    try:
        with notes:
            settings = load(name, ask_secret=ask_secret)
        names = [settings.client(name).name] if name else list(settings.clients)
    except PrioError as error:
        steps = no_examination(error)
    else:
        yield from ((each, _visit(settings, each, path, notes.lines)) for each in names)
        return
    yield name or "default", examine(steps, _timed)


def _visit(settings: Settings, name: str, path: str | None, notes: list[str]) -> Iterator[Result]:
    client = settings.client(name)
    given = chosen(rows(client, settings.provenance(name)))
    settled = Step("settings", lambda: judge_settings(given, notes))
    try:
        route = Route(client)
    except PrioError as error:
        steps = no_examination(error)
    else:
        with route:
            yield from examine([settled, *Examination(route, client, path).steps(settled)], _timed)
        return
    yield from examine(steps, _timed)


def _timed(step: Step) -> tuple[Finding, float]:
    started = time.perf_counter()
    with waiting(f"{step.name} {step.about}"):
        finding = step.look()
    return finding, time.perf_counter() - started


class Notes(logging.Handler):
    """What is logged as a warning while the settings are loaded, such as a secret file that others may read."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said."""
        self.lines.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger("prio_middleware").addHandler(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        logging.getLogger("prio_middleware").removeHandler(self)
