"""Endpoints that refuse this client whatever its token: what hammering on them costs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..adapters import SUBJECTS
from ..api import CLOSED, OPEN, Api, Style
from ..effort import Effort
from ..load import load
from ..place import in_memory
from ..subject import COLOURS, Colour, Subject
from ..table import Column, Row, Table, row

CALLERS = 20
PLACES = 50
"""Closed paths."""

OPEN_SHARE = 10
"""Every n-th call goes to an open path, so that the token is seen to work."""

COLUMNS = {
    "token_requests": Column("token requests", raced=True),
    "refusals": Column("4xx answers", raced=True),
    "lost": Column("open calls lost", raced=True),
}
UNMOVED = "keeps its token whatever the refusal, so it keeps a dead one too: not raced"
METHOD = f"""{CALLERS} callers make the calls of a minute as fast as they go: what is counted does not depend on
the pace, only on all of it falling within a minute. {PLACES} closed paths; every {OPEN_SHARE}th call goes to an
open one. A client that learns nothing and does nothing makes one 4xx for each closed call, which is the least
there can be."""
HOW = {"rfc6749": "the server says 403 insufficient_scope", "prio": "the server says 403, as to a dead token"}


def run(effort: Effort) -> list[Table]:
    """Both ways to refuse, both colours."""
    styles: tuple[Style, ...] = ("rfc6749", "prio")
    return [_table(effort, style, colour) for style in styles for colour in COLOURS]


def _table(effort: Effort, style: Style, colour: Colour) -> Table:
    subjects = [subject for subject in SUBJECTS if subject.only is None and subject.role != "floor"]
    rows = [_row(subject, style, colour, size) for size in effort.forbidden for subject in subjects]
    title = f"Forbidden endpoints, and {HOW[style]}: {colour}"
    return Table(f"forbidden-{style}-{colour}", title, METHOD, COLUMNS, rows, plot="token_requests", sizes="calls a minute")


def _row(subject: Subject, style: Style, colour: Colour, size: int) -> Row:
    maker = subject.maker(colour)
    if isinstance(maker, str):
        return row(subject, colour, size, maker)
    api = Api(style)
    answers = load(
        maker, in_memory(api), colour, [list(_paths(each, size // CALLERS or 1)) for each in range(CALLERS)], warm=True
    )
    open_calls = sum(path == OPEN for each in range(CALLERS) for path in _paths(each, size // CALLERS or 1))
    lost = open_calls - sum(status == 200 for status, _, _ in answers.calls)
    why = "" if style in subject.reacts_to else UNMOVED
    return row(subject, colour, size, why, token_requests=api.token_requests, refusals=api.refusals, lost=lost)


def _paths(caller: int, calls: int) -> Iterator[str]:
    for number in itertools.islice(itertools.count(caller), calls):
        yield OPEN if number % OPEN_SHARE == 0 else f"{CLOSED}/{number % PLACES}"
