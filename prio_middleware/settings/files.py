"""Reading small files that hold settings. Failures are returned as text: an exception could hold what was read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Content(NamedTuple):
    """What a file holds, and its permission bits."""

    raw: bytes
    mode: int


class FileText(NamedTuple):
    """What a text file says, and its permission bits."""

    text: str
    mode: int


def read_text(path: Path, limit: int) -> FileText | str:
    """The text of a file of at most ``limit`` bytes in UTF-8, or why it cannot be had."""
    found = _read(path, limit + 1)
    if isinstance(found, str):
        return found
    if len(found.raw) > limit:
        return f"is longer than {limit} bytes"
    try:
        return FileText(found.raw.decode("utf-8-sig"), found.mode)
    except UnicodeDecodeError:
        return "is not text in UTF-8"


def why_unreadable(path: Path) -> str | None:
    """Why the file cannot be read, or None where it can."""
    found = _read(path, 0)
    return found if isinstance(found, str) else None


def os_reason(error: OSError | ValueError) -> str:
    """What the operating system says, without the file's name."""
    number = getattr(error, "errno", None)
    return f"cannot be read ({os.strerror(number)})" if number else "cannot be read"


def _read(path: Path, size: int) -> Content | str:
    try:
        with path.open("rb") as file:
            return Content(file.read(size), os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return os_reason(error)
