"""Tokens expire under load: how much longer the slowest call takes, and what else stands still meanwhile."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..adapters import SUBJECTS
from ..api import OPEN, Api
from ..effort import Effort
from ..load import load
from ..measuring import estimate, interleaved, ratio
from ..place import in_memory
from ..subject import COLOURS, Colour, Maker, Subject
from ..table import Column, Row, Table, Value, row

CALLERS = 20
TOKEN_DELAY = 0.2
API_DELAY = 0.01
"""Seconds that token requests and calls take."""

AFTER = 1.3
"""Lifetimes after which callers stop."""

COLUMNS = {
    "added": Column("worst added latency, ms", 1, raced=True),
    "ours": Column("to ours", 2),
    "lost": Column("lost calls", raced=True),
    "token_requests": Column("token requests"),
    "stall": Column("event loop stood still, ms", 0),
}
METHOD = f"""{CALLERS} callers call without a pause, until a little after their token has expired; a call takes
{API_DELAY * 1000:.0f} ms, a token request {TOKEN_DELAY * 1000:.0f} ms. The worst added latency is the slowest call around
the expiry less the median one: the median of the rounds. "to ours" compares it, round by round, with this library's
where it renews on expiry. All other numbers are the most of any round. Who always renews a fixed time before a token's
end gets tokens that last longer by this time. The last column is the longest that a task which needs no token waited
for its event loop."""


class Expiry(NamedTuple):
    """One expiry: seconds that the slowest call around it took longer than the median one, and what else there was."""

    added: float
    lost: int
    token_requests: int
    stall: float


def run(effort: Effort) -> list[Table]:
    """Both colours."""
    return [_table(effort, colour) for colour in COLOURS]


def _table(effort: Effort, colour: Colour) -> Table:
    subjects = [subject for subject in SUBJECTS if subject.role != "floor"]
    makers = [(subject, subject.maker(colour)) for subject in subjects]
    measures = {
        subject.label: functools.partial(_expiry, subject, maker, colour, effort.lifetime)
        for subject, maker in makers
        if not isinstance(maker, str)
    }
    taken = interleaved(measures, effort.expiries)
    rows = [
        row(subject, colour, None, maker) if isinstance(maker, str) else _row(subject, colour, taken)
        for subject, maker in makers
    ]
    title = f"Tokens of {effort.lifetime} s expire under load: {colour}"
    return Table(f"expiry-{colour}", title, METHOD, COLUMNS, rows, plot="added")


def _expiry(subject: Subject, maker: Maker, colour: Colour, lifetime: int) -> Expiry:
    api = Api(lifetime=lifetime + subject.leeway, token_delay=TOKEN_DELAY, api_delay=API_DELAY)
    callers = [_calls(AFTER * lifetime) for _ in range(CALLERS)]
    answers = load(maker, in_memory(api), colour, callers, warm=True)
    usual = statistics.median(taken for _, _, taken in answers.calls)
    worst = max(taken for _, start, taken in answers.calls if start - answers.start >= lifetime / 2)
    return Expiry(worst - usual, answers.lost, api.token_requests, answers.stall)


def _row(subject: Subject, colour: Colour, taken: dict[str, list[Expiry]]) -> Row:
    added, lost, token_requests, stall = zip(*taken[subject.label], strict=True)
    ours = taken.get(f"prio-middleware ({subject.stack})") or taken["prio-middleware (httpx2)"]
    values: dict[str, Value] = {
        "added": estimate([1e3 * each for each in added]),
        "ours": ratio(added, [each.added for each in ours]),
        "lost": max(lost),
        "token_requests": max(token_requests),
    }
    if colour == "async":
        values["stall"] = 1e3 * max(stall)
    return row(subject, colour, **values)


def _calls(seconds: float) -> Iterator[str]:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield OPEN
