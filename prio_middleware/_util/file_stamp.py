"""Stamps of files, to notice changes."""

from __future__ import annotations

import stat
from pathlib import Path

Stamp = tuple[int, int, int] | None


def file_stamp(path: Path) -> Stamp:
    """Return a stamp that changes with the file, or with the target of a link to it. None if the file is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    if stat.S_ISFIFO(status.st_mode):  # Its time changes with each writer, even without new content.
        return status.st_ino, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_size
