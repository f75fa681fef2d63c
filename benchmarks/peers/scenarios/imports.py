"""Cost of an import, in processor time of a fresh interpreter. Reported, not raced."""

from __future__ import annotations

import functools
import subprocess
import sys

from ..adapters import SUBJECTS
from ..effort import Effort
from ..measuring import estimate, interleaved, ratio
from ..table import Column, Table, row

COLUMNS = {"time": Column("ms", 1), "floor": Column("to its HTTP library", 2)}
METHOD = """Each import in a fresh interpreter, with warm caches; processor time, in interleaved rounds. httpx
and httpx2 load click and rich, where they are installed, for a command line of their own; that is hidden here,
for it would flatter whatever is built on them."""

TIMED = """
import sys, time
sys.modules["click"] = None
start = time.process_time()
{statement}
print(time.process_time() - start)
"""


def run(effort: Effort) -> list[Table]:
    """One table."""
    subjects = [subject for subject in SUBJECTS if subject.loads]
    for subject in subjects:
        _seconds(subject.loads)
    taken = interleaved({subject: functools.partial(_seconds, subject.loads) for subject in subjects}, effort.imports)
    floors = {subject.stack: taken[subject] for subject in subjects if subject.role == "floor"}
    rows = [
        row(subject, "sync", time=estimate([1e3 * each for each in seconds]), floor=ratio(seconds, floors[subject.stack]))
        for subject, seconds in taken.items()
    ]
    return [Table("imports", "What an import costs", METHOD, COLUMNS, rows, plot="time")]


def _seconds(statement: str) -> float:
    program = TIMED.format(statement=statement)
    answer = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - above
    return float(answer.stdout)
