"""Inputs to start from, kept as text: one JSON string a line, a character for each byte.

For each target there is a file that was written by hand, and one with what fuzzing found to cover more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

MOST = 40
"""Inputs that fuzzing adds to each target."""

LONGEST = 400
"""Bytes of such an input."""


def read(target: str) -> list[bytes]:
    """All that is kept for a target."""
    return [json.loads(line).encode("latin-1") for file in (_written(target), _found(target)) for line in _lines(file)]


def keep(target: str, found: Iterable[bytes]) -> None:
    """Add the shortest of ``found``, so that the file stays readable."""
    by_hand = set(_lines(_written(target)))
    lines = [json.dumps(entry.decode("latin-1")) for entry in sorted(set(found), key=_length) if len(entry) <= LONGEST]
    _found(target).write_text("".join(f"{line}\n" for line in [line for line in lines if line not in by_hand][:MOST]))


def _length(entry: bytes) -> tuple[int, bytes]:
    return len(entry), entry


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _written(target: str) -> Path:
    return FOLDER / f"{target}.jsonl"


def _found(target: str) -> Path:
    return FOLDER / "found" / f"{target}.jsonl"
