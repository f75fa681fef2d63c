"""A status as lines for a terminal or a pipe. What a server said is shown as text."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from ..durations import duration
from ..terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from ...status.model import Client, ClientErrors, Fetch, Level, Process, Status, Store, Token

BAR = 24
"""Columns of a bar."""

FETCHES = 3
"""Fetches of each client that are shown."""

NEARLY = 0.8

LEVELS: Mapping[Level, tuple[str, str]] = {
    "bad": ("Not ready", "bold red"),
    "warn": ("To look at", "yellow"),
    "idle": ("Idle", "dim"),
    "good": ("Ready", "green"),
}
"""The word for a level and its style, worst first. The terminal's own palette, so that it is right on any ground."""

ACQUISITIONS = {"fresh": "at hand", "led": "fetched", "joined": "waited for", "held_back": "held back", "failed": "failed"}
REAUTHENTICATIONS = {
    "refused": "refused again",
    "token_unavailable": "without a token",
    "body_not_replayable": "body gone",
    "budget": "no budget left",
}
REJECTED = {"plain_http": "plain HTTP", "foreign_origin": "foreign origin", "held_back": "held back", "budget": "4xx budget"}

_MARGIN = "  "
_LABEL = 10


class Report:
    """Tells of statuses.

    Args:
        console: where to. Bars are for terminals that can draw them; a pipe has the numbers alone.
    """

    def __init__(self, console: Console) -> None:
        self._bars = console.is_terminal and console.encoding.startswith("utf")

    def lines(self, status: Status, pace: Mapping[str, float]) -> Iterator[Text]:
        """All there is to say. ``pace``: requests per second of the clients of which it is known."""
        yield Text(visible(_process(status.process, status.at)), "dim")
        yield Text(_summary(status.clients), "bold")
        for client in status.clients:
            yield Text()
            yield from self._client(client, pace.get(client.name), status.at)

    def _client(self, client: Client, pace: float | None, at: float) -> Iterator[Text]:
        word, style = LEVELS[client.condition.level]
        yield Text.assemble((visible(client.name), "bold"), "  ", (word, style), "  ", visible(client.condition.says))
        yield self._life(client.token)
        yield self._budget(client.client_errors)
        yield _row("requests", _requests(client, pace))
        yield from _counted("tokens", client.acquisitions, ACQUISITIONS)
        yield from _counted("re-auth", client.reauthentications, REAUTHENTICATIONS)
        yield from _counted("not sent", client.rejected, REJECTED)
        yield from _store(client.store)
        for place, fetch in enumerate(client.fetches[:FETCHES]):
            yield _row("" if place else "fetches", *_fetch(fetch, at))

    def _life(self, token: Token) -> Text:
        held = f", no fetch for another {duration(token.held_back)}" if token.held_back else ""
        if token.expires_in is None:
            return _row("token", f"none{held}")
        if token.expires_in <= 0:
            return _row("token", f"expired {duration(-token.expires_in)} ago{held}")
        whole = token.lifetime or token.expires_in
        part = token.expires_in / whole
        bar = self._bar(part, "green" if part > 0.1 else "yellow")
        return _row("token", *bar, f"{duration(token.expires_in)} of {duration(whole)}{held}")

    def _budget(self, errors: ClientErrors) -> Text:
        if not errors.limit:
            return _row("4xx", f"{errors.last_minute:,} in the last minute")
        part = errors.last_minute / errors.limit
        style = "red" if part >= 1 else "yellow" if part >= NEARLY else "green"
        return _row("4xx", *self._bar(part, style), f"{errors.last_minute:,} of {errors.limit:,} in the last minute")

    def _bar(self, part: float, style: str) -> Iterator[tuple[str, str]]:
        if self._bars:
            full = round(BAR * min(max(part, 0), 1))
            yield "\N{FULL BLOCK}" * full, style
            yield "\N{LIGHT SHADE}" * (BAR - full) + "  ", "dim"


def moment(at: float) -> datetime.datetime:
    """Seconds of the epoch as the time of this machine's clock."""
    return datetime.datetime.fromtimestamp(at).astimezone()


def _process(process: Process, at: float) -> str:
    since = f"{moment(process.started_at):%Y-%m-%d %H:%M:%S} ({duration(at - process.started_at)})"
    return f"Process {process.pid} on {process.host}, since {since}, prio-middleware {process.version}"


def _summary(clients: Iterable[Client]) -> str:
    levels = [client.condition.level for client in clients]
    found = [f"{levels.count(level)} {word.lower()}" for level, (word, _) in LEVELS.items() if level in levels]
    return f"{len(levels)} client{'' if len(levels) == 1 else 's'}: {', '.join(found)}"


def _requests(client: Client, pace: float | None) -> str:
    answers = f"{sum(client.responses.values()):,} answered"
    by_status = ", ".join(f"{number:,} x {visible(status)}" for status, number in client.responses.items() if number)
    parts = ["" if pace is None else f"{pace:.1f} a second", f"{answers}: {by_status}" if by_status else answers]
    waiting = f"{client.waiting:,} waiting for a token" if client.waiting else ""
    return "; ".join(filter(None, [*parts, waiting]))


def _counted(label: str, counts: Mapping[str, int], words: Mapping[str, str]) -> Iterator[Text]:
    found = ", ".join(f"{number:,} {visible(words.get(name, name))}" for name, number in counts.items() if number)
    if found:
        yield _row(label, found)


def _store(store: Store | None) -> Iterator[Text]:
    if store:
        answers = {True: "answers", False: "does not answer", None: "was not asked yet"}[store.reachable]
        counts = {"taken from it": store.helped, "given to it": store.published, "fetched without it": store.alone}
        told = [f"{number:,} {word}" for word, number in {**counts, "failures": store.failures}.items() if number]
        yield _row("store", ", ".join([f"{visible(store.kind)} {answers}", *told]))


def _fetch(fetch: Fetch, at: float) -> Iterator[str | tuple[str, str]]:
    yield f"{moment(fetch.at):%H:%M:%S}  {visible(fetch.reason):<9} "
    yield f"{visible(fetch.outcome):<16} ", "" if fetch.outcome == "ok" else "red"
    yield f"{_taking(fetch.duration):>8}"
    tries = f"{fetch.attempts} attempts" if fetch.attempts > 1 else ""
    source = "" if fetch.source == "endpoint" else visible(fetch.source)
    yield "  " + ", ".join(filter(None, [f"{duration(at - fetch.at)} ago", tries, source])), "dim"


def _taking(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _row(label: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble(_MARGIN, (f"{label:<{_LABEL}}", "dim"), *parts)
