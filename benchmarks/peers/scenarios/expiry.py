"""Tokens expire under load: how much longer the slowest call takes, and what else stands still meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from ..adapters import SUBJECTS
from ..api import OPEN, Api
from ..effort import Effort
from ..load import Answers, load
from ..measuring import estimate
from ..place import in_memory
from ..subject import COLOURS, Colour, Maker, Subject
from ..table import Column, Row, Table, Value, row

CALLERS = 20
TOKEN_DELAY = 0.2
API_DELAY = 0.01

COLUMNS = {
    "added": Column("worst added latency, ms", 1, raced=True),
    "lost": Column("lost calls", raced=True),
    "token_requests": Column("token requests a lifetime", 1),
    "stall": Column("event loop stood still, ms", 0),
}
METHOD = f"""{CALLERS} callers call without a pause; a call takes {API_DELAY * 1000:.0f} ms, a token request
{TOKEN_DELAY * 1000:.0f} ms. Around each expiry, the worst added latency is the slowest call less the median
one. Who always renews a fixed time before a token's end gets tokens that last longer by this time, so that all
renew equally often. The last column is the longest that a task which needs no token waited for its event loop."""


def run(effort: Effort) -> list[Table]:
    """Both colours."""
    return [_table(effort, colour) for colour in COLOURS]


def _table(effort: Effort, colour: Colour) -> Table:
    subjects = [subject for subject in SUBJECTS if subject.role != "floor"]
    rows = [_row(subject, subject.maker(colour), colour, effort) for subject in subjects]
    title = f"Tokens of {effort.lifetime} s expire under load: {colour}"
    return Table(f"expiry-{colour}", title, METHOD, COLUMNS, rows, plot="added")


def _row(subject: Subject, maker: Maker | str, colour: Colour, effort: Effort) -> Row:
    if isinstance(maker, str):
        return row(subject, colour, None, maker)
    expiries, lifetime = effort.expiries, effort.lifetime
    api = Api(lifetime=lifetime + subject.leeway, token_delay=TOKEN_DELAY, api_delay=API_DELAY)
    callers = [_calls((expiries + 0.3) * lifetime) for _ in range(CALLERS)]
    answers = load(maker, in_memory(api), colour, callers, warm=True)
    added = estimate([1e3 * each for each in _worst(answers, lifetime, expiries)])
    requests = api.token_requests * lifetime / answers.seconds
    values: dict[str, Value] = {"added": added, "lost": answers.lost, "token_requests": requests}
    if colour == "async":
        values["stall"] = 1e3 * answers.stall
    return row(subject, colour, **values)


def _calls(seconds: float) -> Iterator[str]:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield OPEN


def _worst(answers: Answers, lifetime: int, expiries: int) -> list[float]:
    """The worst added latency around each expiry, in seconds: of the calls that began no more than half a lifetime from it."""
    usual = statistics.median(taken for _, _, taken in answers.calls)
    worst = [usual] * (expiries + 1)
    for _, start, taken in answers.calls:
        nearest = round((start - answers.start) / lifetime)
        if nearest <= expiries:
            worst[nearest] = max(worst[nearest], taken)
    return [each - usual for each in worst[1:]]
