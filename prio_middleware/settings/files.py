"""Settings files and secret files, read with limits on size and time."""

from __future__ import annotations

import logging
import os
import select
import stat
import time
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from .._util.secret import Secret
from ..telemetry.logs import log

PIPE_DEADLINE = 10.0  # Seconds to wait for the content of a named pipe. Some password managers ask the user first.
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


class FileText(NamedTuple):
    """Text of a file, its permission bits, and the id of the user that owns it.

    On a read-only file system, ``mode`` is without the read permissions of group and others.
    """

    text: str
    mode: int
    owner: int


def read_text(path: Path, limit: int) -> FileText | str:
    """Return the text of a UTF-8 file of at most ``limit`` bytes, or the reason why it cannot be read."""
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            mode = status.st_mode
            if os.fstatvfs(file.fileno()).f_flag & os.ST_RDONLY:
                mode &= ~0o044  # No user can take these permissions away.
            raw = _drain(file, limit + 1) if stat.S_ISFIFO(mode) else _read(file, limit + 1)
    except (OSError, ValueError) as error:
        return os_reason(error)
    if raw is None:
        return f"is a pipe that its writer did not close within {PIPE_DEADLINE:.0f} s"
    if len(raw) > limit:
        return f"is longer than {limit} bytes"
    try:
        return FileText(raw.decode("utf-8-sig"), mode, status.st_uid)
    except UnicodeDecodeError:
        return "is not text in UTF-8"


def why_unreadable(path: Path) -> str | None:
    """Return the reason why the file cannot be read, or None if it can."""
    try:
        _open(path).close()
    except (OSError, ValueError) as error:
        return os_reason(error)
    return None


def os_reason(error: OSError | ValueError) -> str:
    """Return the operating system's error text, without the file's name."""
    number = getattr(error, "errno", None)
    return f"cannot be read ({os.strerror(number)})" if number else "cannot be read"


_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".key"})


def shown_path(path: Path) -> str:
    """Return the path if it exists or has a certificate's suffix, else only the directory that exists.

    The name may be a secret, set here by mistake.
    """
    if path.suffix in _SUFFIXES or os.path.lexists(path):
        return str(path)
    there = next((str(parent) for parent in path.parents if os.path.lexists(parent)), "")
    return f"(a file below {there}, whose name is not shown because it may be a secret)"


def is_pipe(path: Path) -> bool:
    """Return True for a named pipe (FIFO), which can be read once for each time that it is written."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _open(path: Path) -> FileIO:
    """Open a file for reading, without waiting for a pipe's writer. Raise ValueError for a NUL in the name."""
    return open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | _NONBLOCK))


def _read(file: FileIO, size: int) -> bytes:
    return b"".join(iter(lambda: file.read(max(0, size - file.tell())), b""))


def _drain(pipe: FileIO, size: int) -> bytes | None:
    """Read until the writers close the pipe. Return None if one has not within ``PIPE_DEADLINE``."""
    until = time.monotonic() + PIPE_DEADLINE
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    raw = bytearray()
    while len(raw) < size:
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return None
        piece = pipe.read(size - len(raw))
        if piece == b"":
            break
        raw += piece or b""  # None if another reader took the data.
    return bytes(raw)


SIZE_LIMIT = 64 * 1024  # Maximum size of a secret file in bytes.


def read_secret_file(path: Path) -> Secret | str:
    """Return the content of a secret file without trailing line breaks, or the reason why it cannot be read.

    If users other than the owner may read the file, a warning is logged. Not of a mounted secret: on a read-only file system,
    or readable by the group and writable by no user, such as Kubernetes' mode 0440.
    """
    found = read_text(path, SIZE_LIMIT)
    if isinstance(found, str):
        return f"{shown_path(path)} {found}; expected a file that contains only the secret"
    if found.mode & 0o004 or found.mode & 0o240 == 0o240:
        message = "Other users can read the secret file %s: restrict its permissions (chmod 600)."
        log(logging.WARNING, message, path, event="readable_secret_file")
    secret = found.text.rstrip("\r\n")
    return Secret(secret) if secret.strip() else f"{path} is empty; expected the secret"
