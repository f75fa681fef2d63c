"""``prio status``: the status page of a running application, in a terminal."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import FAILED, guarded
from .options import JsonOption

if TYPE_CHECKING:
    from .watch.source import Source, Told

EPILOG = """Examples:

prio status https://shop.internal/status

prio status --watch http://127.0.0.1:8000/status

prio status https://shop.internal/status --header @operator.txt --json | jq .clients"""


@guarded
def status(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the status page is mounted.")],
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header, or @FILE with one on each line. Repeatable."),
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="How often --watch asks.")] = 2,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Ask again and again, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what one process of a running application knows of its clients' tokens.

    The application has to mount the status page: see the documentation.

    With --watch --json there is one JSON document on each line.

    Exit status: 0; 1 if a client is not ready, or there was no answer.
    """
    from .given import read_headers
    from .watch.source import Source

    with Source(url, read_headers(header or [])) as source:
        if watch:
            _watch(source, every, as_json=as_json)
        else:
            _once(source, as_json=as_json)


def _once(source: Source, *, as_json: bool) -> None:
    from ..errors import PrioError
    from .terminal import output, print_json, waiting
    from .watch.report import Report

    with waiting("status"):
        told = source.ask()
    if isinstance(told, PrioError):
        raise told
    if as_json:
        print_json(told.document)
    else:
        console = output()
        for line in Report(console).lines(told.status, {}):
            console.print(line)
    if _is_bad(told):
        raise typer.Exit(FAILED)


def _watch(source: Source, every: float, *, as_json: bool) -> None:
    from .terminal import output
    from .watch.loop import news, show, write_lines

    heard = news(source, every)
    with suppress(KeyboardInterrupt):  # The way to end it.
        if as_json:
            write_lines(heard)
        else:
            show(heard, output())


def _is_bad(told: Told) -> bool:
    return any(client.condition.level == "bad" for client in told.status.clients)
