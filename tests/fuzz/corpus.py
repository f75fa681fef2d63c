"""Inputs to start from, kept as text: for each target a file, with one JSON string a line, a character for each byte."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

MOST = 60
"""Inputs kept for each target."""

LONGEST = 600
"""Bytes of an input that is kept."""


def read(target: str) -> list[bytes]:
    return [json.loads(line).encode("latin-1") for line in _file(target).read_text().splitlines()]


def write(target: str, inputs: set[bytes]) -> None:
    """The shortest of them: whoever reads the file is to see what it is about."""
    kept = sorted((entry for entry in inputs if len(entry) <= LONGEST), key=lambda entry: (len(entry), entry))[:MOST]
    _file(target).write_text("".join(f"{json.dumps(entry.decode('latin-1'))}\n" for entry in kept))


def _file(target: str) -> Path:
    return FOLDER / f"{target}.jsonl"
