"""Secrets kept in files of their own, as orchestrators mount them."""

from __future__ import annotations

import logging
from pathlib import Path

from ..secret import Secret
from .files import read_text

SIZE_LIMIT = 64 * 1024
"""Bytes that a secret file may have."""

_log = logging.getLogger("prio_middleware")


def read_secret_file(path: Path) -> Secret | str:
    """The secret in a file, or why it cannot be had. Line breaks at its end do not count.

    A file that others than its owner may read draws a warning in the log, and works.
    """
    found = read_text(path, SIZE_LIMIT)
    if isinstance(found, str):
        return f"{path} {found}; expected a file with nothing but the secret"
    if found.mode & 0o044:
        _log.warning("The secret file %s may be read by others than its owner: restrict it (chmod 600).", path)
    secret = found.text.rstrip("\r\n")
    return Secret(secret) if secret.strip() else f"{path} is empty; expected the secret"
