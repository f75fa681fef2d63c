"""Many callers find no token: how many token requests they make, and when the last of them has its answer."""

from __future__ import annotations

from collections.abc import Callable

from ..adapters import SUBJECTS
from ..api import OPEN, Api
from ..effort import Effort
from ..load import load
from ..measuring import estimate, interleaved, ratio
from ..place import in_memory
from ..subject import COLOURS, Colour, Maker, Subject
from ..table import Column, Row, Table, middle, row

TOKEN_DELAY = 0.1
"""Seconds that a token request takes."""

COLUMNS = {
    "token_requests": Column("token requests", raced=True),
    "lost": Column("lost calls", raced=True),
    "last": Column("ms to the last answer", 1, raced=True),
    "ours": Column("to ours", 2),
}
METHOD = f"""One client, no token, all callers at once; a token request takes {TOKEN_DELAY * 1000:.0f} ms, a
call none. Threads, or asyncio tasks. Token requests and lost calls are the most of any burst, the time is
the median."""

Burst = tuple[int, int, float]


def run(effort: Effort) -> list[Table]:
    """Both colours."""
    return [_table(effort, colour) for colour in COLOURS]


def _table(effort: Effort, colour: Colour) -> Table:
    sizes = effort.threads if colour == "sync" else effort.tasks
    rows: list[Row] = []
    for size in sizes:
        rows += _rows(colour, size, effort.bursts, _given_up(rows, effort.patience))
    kind = "threads" if colour == "sync" else "tasks"
    return Table(f"burst-{colour}", f"A cold burst: {colour}", METHOD, COLUMNS, rows, plot="last", sizes=kind)


def _given_up(rows: list[Row], patience: float) -> dict[str, str]:
    """Subjects that took too long for the size before, and are left out."""
    slow = [each for each in rows if middle(each.values.get("last", 0.0)) > patience * 1e3]
    return {each.label: f"not run: {each.size:,} took {middle(each.values['last']) / 1e3:.1f} s" for each in slow}


def _rows(colour: Colour, size: int, bursts: int, given_up: dict[str, str]) -> list[Row]:
    asked = [subject for subject in SUBJECTS if subject.only is None and subject.role != "floor"]
    makers = [(subject, given_up.get(subject.label) or subject.maker(colour)) for subject in asked]
    measures = {subject.label: _burst(maker, colour, size) for subject, maker in makers if not isinstance(maker, str)}
    interleaved(measures, 1)  # What is loaded on first use is no burst's.
    taken = interleaved(measures, bursts)
    return [
        row(subject, colour, size, maker) if isinstance(maker, str) else _row(subject, colour, size, taken)
        for subject, maker in makers
    ]


def _burst(maker: Maker, colour: Colour, size: int) -> Callable[[], Burst]:
    def burst() -> Burst:
        api = Api(token_delay=TOKEN_DELAY)
        answers = load(maker, in_memory(api), colour, [[OPEN]] * size)
        return api.token_requests, answers.lost, answers.seconds

    return burst


def _row(subject: Subject, colour: Colour, size: int, taken: dict[str, list[Burst]]) -> Row:
    token_requests, lost, seconds = zip(*taken[subject.label], strict=True)
    ours = taken.get(f"prio-middleware ({subject.stack})") or taken["prio-middleware (httpx2)"]
    last = estimate([1e3 * each for each in seconds])
    to_ours = ratio(seconds, [each for _, _, each in ours])
    return row(subject, colour, size, token_requests=max(token_requests), lost=max(lost), last=last, ours=to_ours)
