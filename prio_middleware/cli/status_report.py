"""Report of a status page for a terminal or a pipe, with control characters of servers' texts escaped."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.text import Text

from .arguments import duration
from .terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from ..telemetry.providers import StoreReport
    from ..telemetry.snapshot import FetchRecord
    from ..web.status.report import AccountStatus, Client, Level, Status, Token

BAR = 24  # Width of a bar in columns.
FETCHES = 3  # Number of fetches shown for each client.
NEARLY = 0.8

LEVELS: Mapping[Level, tuple[str, str]] = {
    "bad": ("Not ready", "bold red"),
    "warn": ("Warning", "yellow"),
    "idle": ("Idle", "dim"),
    "good": ("Ready", "green"),
}
"""Word and style of each level, worst first. The styles use the terminal's palette, so they fit any background."""

REAUTHENTICATIONS = {
    "rejected": "rejected again",
    "token_unavailable": "without a token",
    "unchanged": "with the same token",
    "budget": "budget used up",
    "not_attempted": "403 without an error code",
}
BLOCKED = {
    "plain_http": "plain HTTP",
    "unsupported_protocol": "not HTTP",
    "caller_authorization": "own Authorization",
    "budget": "4xx budget",
}

_MARGIN = "  "
_LABEL = 10


class StatusReport:
    """Formats statuses as lines. Only a terminal that can draw bars gets them; a pipe gets numbers."""

    def __init__(self, console: Console) -> None:
        self._bars = console.is_terminal and console.encoding.startswith("utf")

    def lines(self, status: Status, rates: Mapping[str, float]) -> Iterator[Text]:
        """Yield the lines of a status. ``rates``: requests per second by client, if known."""
        process = status.process
        since = f"{moment(process.started_at):%Y-%m-%d %H:%M:%S} ({duration(status.at - process.started_at)})"
        head = f"Process {process.pid} on {process.host}, since {since}, prio-middleware {process.version}"
        yield Text(visible(head), "dim")
        levels = [client.condition.level for client in status.clients]
        counts = ", ".join(f"{levels.count(level)} {word.lower()}" for level, (word, _) in LEVELS.items() if level in levels)
        yield Text(f"{len(levels)} client{'' if len(levels) == 1 else 's'}: {counts}", "bold")
        for client in status.clients:
            yield Text()
            yield from self._client(client, rates.get(client.name), status.at)

    def _client(self, client: Client, rate: float | None, at: float) -> Iterator[Text]:
        word, style = LEVELS[client.condition.level]
        yield Text.assemble((visible(client.name), "bold"), "  ", (word, style), "  ", visible(client.condition.summary))
        yield self._token(client.token)
        errors = client.client_errors
        part = errors.last_minute / errors.limit if errors.limit else 0.0
        bar = self._bar(part, "red" if part >= 1 else "yellow" if part >= NEARLY else "green") if errors.limit else ()
        of_limit = f" of {errors.limit:,}" if errors.limit else ""
        yield _row("4xx", *bar, f"{errors.last_minute:,}{of_limit} in the last minute")
        yield _row("requests", _requests(client, rate))
        yield from _counted("tokens", client.acquisitions)
        yield from _counted("re-auth", client.reauthentications, REAUTHENTICATIONS)
        yield from _counted("not sent", client.blocked, BLOCKED)
        yield from _store(client.store)
        yield from _accounts(client.accounts)
        for place, fetch in enumerate(client.fetches[:FETCHES]):
            yield _row("" if place else "fetches", *_fetch(fetch, at))

    def _token(self, token: Token) -> Text:
        held = f", next fetch in {duration(token.cooldown_seconds)}" if token.cooldown_seconds else ""
        if token.provider != "client_credentials":
            return _row("token", {"static": "static token", "none": "no token"}.get(token.provider, visible(token.provider)))
        if token.expires_in is None:
            return _row("token", f"none{held}")
        if token.expires_in <= 0:
            return _row("token", f"expired {duration(-token.expires_in)} ago{held}")
        whole = token.lifetime or token.expires_in
        part = token.expires_in / whole
        bar = self._bar(part, "green" if part > 0.1 else "yellow")
        return _row("token", *bar, f"{duration(token.expires_in)} of {duration(whole)}{held}")

    def _bar(self, part: float, style: str) -> Iterator[tuple[str, str]]:
        if self._bars:
            full = round(BAR * min(max(part, 0), 1))
            yield "\N{FULL BLOCK}" * full, style
            yield "\N{LIGHT SHADE}" * (BAR - full) + "  ", "dim"


def moment(at: float) -> datetime.datetime:
    """Return a Unix time as local time."""
    return datetime.datetime.fromtimestamp(at).astimezone()


def _requests(client: Client, rate: float | None) -> str:
    total = f"{sum(client.responses.values()):,} responses"
    by_status = ", ".join(f"{number:,} x {visible(status)}" for status, number in client.responses.items() if number)
    parts = ["" if rate is None else f"{rate:.1f} per second", f"{total}: {by_status}" if by_status else total]
    waiting = f"{client.waiting:,} waiting for a token" if client.waiting else ""
    return "; ".join(filter(None, [*parts, waiting]))


def _counted(label: str, counts: Mapping[str, int], words: Mapping[str, str] = MappingProxyType({})) -> Iterator[Text]:
    named = {words.get(name, name.replace("_", " ")): number for name, number in counts.items() if number}
    if named:
        yield _row(label, ", ".join(f"{number:,} {visible(name)}" for name, number in named.items()))


def _store(store: StoreReport | None) -> Iterator[Text]:
    if store:
        state = {True: "reachable", False: "unreachable", None: "not used yet"}[store.reachable]
        counts = {"hits": store.hits, "published": store.published, "fallbacks": store.fallbacks}
        events = [f"{number:,} {word}" for word, number in {**counts, "failures": store.failures}.items() if number]
        yield _row("store", ", ".join([f"{visible(store.kind)} {state}", *events]))


def _accounts(accounts: Iterable[AccountStatus]) -> Iterator[Text]:
    for place, account in enumerate(accounts):
        word, style = LEVELS[account.condition.level]
        label = "" if place else "accounts"
        yield _row(label, f"{visible(account.name)}  ", (word, style), f"  {visible(account.condition.summary)}")


def _fetch(fetch: FetchRecord, at: float) -> Iterator[str | tuple[str, str]]:
    yield f"{moment(fetch.at):%H:%M:%S}  {visible(fetch.reason):<9} "
    yield f"{visible(fetch.outcome):<16} ", "" if fetch.outcome == "ok" else "red"
    took = f"{fetch.duration * 1000:.0f} ms" if fetch.duration < 1 else f"{fetch.duration:.1f} s"
    yield f"{took:>8}"
    attempts = f"{fetch.attempts} attempts" if fetch.attempts > 1 else ""
    source = "" if fetch.source == "endpoint" else visible(fetch.source)
    yield "  " + ", ".join(filter(None, [f"{duration(at - fetch.at)} ago", attempts, source])), "dim"


def _row(label: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble(_MARGIN, (f"{label:<{_LABEL}}", "dim"), *parts)
