"""Memory of a credential that holds a token: each subject in a process of its own. Reported, not raced."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from ..adapters import SUBJECTS
from ..effort import Effort
from ..subject import Subject
from ..table import Column, Row, Table, row

PATIENCE = 120.0
"""Seconds after which no more credentials are made."""

COLUMNS = {"each": Column("KiB each", 2), "all": Column("MiB in all", 2)}
METHOD = f"""Credentials of as many clients of the API, each with a token of its own, over one transport where
the package can share one. Bytes that Python allocated for them (tracemalloc), in a process of its own. After
{PATIENCE:.0f} s no more are made."""


def run(effort: Effort) -> list[Table]:
    """One table."""
    holders = [subject for subject in SUBJECTS if subject.role != "floor" and subject.only is None]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda subject: _measure(subject, effort.credentials), holders))
    rows = [
        _row(subject, size, sizes.get(size))
        for size in effort.credentials
        for subject, sizes in zip(holders, found, strict=True)
    ]
    return [Table("memory", "Memory for each credential", METHOD, COLUMNS, rows, plot="each", sizes="credentials")]


def _row(subject: Subject, size: int, taken: int | None) -> Row:
    if isinstance(subject.hold, str):
        return row(subject, "sync", size, subject.hold)
    if taken is None:
        return row(subject, "sync", size, f"not made within {PATIENCE:.0f} s")
    return row(subject, "sync", size, each=taken / size / 1024, all=taken / 2**20)


def _measure(subject: Subject, sizes: tuple[int, ...]) -> dict[int, int]:
    """Bytes for each number of credentials."""
    number = SUBJECTS.index(subject)
    program = [sys.executable, "-m", f"{__package__}.holding", str(number), str(PATIENCE), *map(str, sizes)]
    answer = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - above
    return {int(size): taken for size, taken in json.loads(answer.stdout).items()}
