"""A token is revoked under load: which calls are lost, and what it costs to go on."""

from __future__ import annotations

import functools

from ..adapters import SUBJECTS
from ..api import OPEN, Api, Style
from ..effort import Effort
from ..load import load
from ..measuring import interleaved
from ..place import in_memory
from ..subject import COLOURS, Colour, Maker
from ..table import Column, Row, Table, row

CALLS = 6
"""Calls that each caller makes, one after the other."""

API_DELAY = 0.02
TOKEN_DELAY = 0.05
"""Seconds that calls and token requests take."""

MOST_THREADS = 100

COLUMNS = {
    "lost": Column("lost calls", raced=True),
    "token_requests": Column("token requests"),
    "second": Column("second tries"),
}
HOW = {"rfc6749": "the server says 401 invalid_token", "prio": "the server says 403, as to a closed path"}
METHOD = f"""Each caller makes {CALLS} calls of {API_DELAY * 1000:.0f} ms, one after the other. When half of all
calls have arrived, every token is revoked. Lost are calls that end in a refusal or an error; they count first,
for a client that does not notice a dead token makes few token requests. The first token was there before. All numbers are
the most of any round."""


def run(effort: Effort) -> list[Table]:
    """Both ways to refuse, both colours."""
    styles: tuple[Style, ...] = ("rfc6749", "prio")
    return [_table(effort, style, colour) for style in styles for colour in COLOURS]


def _table(effort: Effort, style: Style, colour: Colour) -> Table:
    sizes = [size for size in effort.revoked if colour == "async" or size <= MOST_THREADS]
    rows = [row for size in sizes for row in _rows(style, colour, size, effort.revocations)]
    title = f"A token is revoked under load, and {HOW[style]}: {colour}"
    kind = "threads" if colour == "sync" else "tasks"
    return Table(f"revocation-{style}-{colour}", title, METHOD, COLUMNS, rows, plot="lost", sizes=kind)


def _rows(style: Style, colour: Colour, size: int, revocations: int) -> list[Row]:
    asked = [subject for subject in SUBJECTS if subject.only is None and subject.role != "floor"]
    makers = [(subject, subject.maker(colour)) for subject in asked]
    measures = {
        subject.label: functools.partial(_revocation, maker, style, colour, size)
        for subject, maker in makers
        if not isinstance(maker, str)
    }
    taken = interleaved(measures, revocations)
    return [
        row(subject, colour, size, maker)
        if isinstance(maker, str)
        else row(subject, colour, size, **_most(taken[subject.label]))
        for subject, maker in makers
    ]


def _revocation(maker: Maker, style: Style, colour: Colour, size: int) -> dict[str, int]:
    calls = size * CALLS
    api = Api(style, token_delay=TOKEN_DELAY, api_delay=API_DELAY, revoke_at=calls // 2)
    answers = load(maker, in_memory(api), colour, [[OPEN] * CALLS] * size, warm=True)
    return {"lost": answers.lost, "token_requests": api.token_requests, "second": api.calls - len(answers.calls)}


def _most(counted: list[dict[str, int]]) -> dict[str, int]:
    return {name: max(each[name] for each in counted) for name in COLUMNS}
