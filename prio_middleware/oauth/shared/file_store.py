"""Shared store in a file, for short processes on one machine, such as cron jobs."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..._util.safe_body import json_object
from ...telemetry.logs import log
from .store import ID_LENGTH, Lease, LeaseReply, SharedStore, StoreEntry, StoreFailure

if TYPE_CHECKING:
    from filelock import BaseFileLock

# A file with another first line belongs to another program. It is never written.
FIRST_LINE: Final = b"prio-middleware tokens 1\n"
FILE_SIZE_LIMIT: Final = 1024 * 1024  # Maximum bytes of the file. If it would be larger, the oldest entries are removed.
LOCK_TIMEOUT: Final = 1.0  # Seconds to wait for the lock. It is held for a few milliseconds.
CLOCK_STEP: Final = 1.0  # Seconds by which the system's clock may be set back. Entries further in the future do not count.
LAST_MOMENT: Final = 1e11  # Unix time, the year 5138. Later moments show that the file is damaged.

T = TypeVar("T")


class Entry(NamedTuple):
    """A value, and the Unix times between which it counts."""

    value: str
    since: float
    until: float


Entries = dict[str, Entry]
"""Entries by ``<name>:token``, ``<name>:error``, ``<name>:lease`` and ``<name>:dropped:<token id>``."""


class ForeignFileError(Exception):
    """The file belongs to another program or user."""


class FileStore(SharedStore):
    """Shared store in one file. Each change replaces it, under a lock in a file beside it.

    A killed process leaves the old file or the new one, and no lock.

    Args:
        path: the file. It and its directory are created with access for their owner alone.
        clock: Unix time in seconds, from the system's clock, which all processes share.
        lock_timeout: seconds to wait for the lock.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._path = path
        self._clock = clock
        self._lock_timeout = lock_timeout
        self._warned: set[str] = set()

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | StoreFailure:
        def read(entries: Entries, now: float) -> StoreEntry:
            for token_id, seconds in rejected.items():
                entries.setdefault(f"{name}:dropped:{token_id}", Entry("", now, now + seconds))
            record, error = entries.get(f"{name}:token"), entries.get(f"{name}:error")
            if record and f"{name}:dropped:{record.value[:ID_LENGTH]}" in entries:
                del entries[f"{name}:token"]
                record = None
            return StoreEntry(*_value(record, now), *_value(error, now))

        return self._run(read, locked=bool(rejected))  # Without a token id to drop, nothing is written.

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | StoreFailure:
        def acquire(entries: Entries, now: float) -> LeaseReply:
            record, error = (_value(entries.get(f"{name}:{kind}"), now)[0] for kind in ("token", "error"))
            if StoreEntry(record).token_id != entry.token_id or error != entry.error:
                return LeaseReply(granted=False)
            held = entries.get(f"{name}:lease")
            if held and not held.value.startswith(f"{lease.owner_id}:"):
                return LeaseReply(granted=False, wait_seconds=held.until - now)
            entries[f"{name}:lease"] = Entry(lease.holder, now, now + lease.seconds)
            return LeaseReply(granted=True)

        return self._run(acquire)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | StoreFailure:
        def publish(entries: Entries, now: float) -> bool:
            held = _release(entries, name, lease)
            if held is None or held.since + seconds <= now or f"{name}:dropped:{token_id}" in entries:
                return False
            entries[f"{name}:token"] = Entry(token_id + sealed.decode(), held.since, held.since + seconds)
            entries.pop(f"{name}:error", None)
            return True

        return self._run(publish)

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | StoreFailure:
        def publish(entries: Entries, now: float) -> bool:
            if _release(entries, name, lease) is None:
                return False
            entries[f"{name}:error"] = Entry(sealed.decode(), now, now + seconds)
            return True

        return self._run(publish)

    def release_lease(self, name: str, lease: Lease) -> bool | StoreFailure:
        return self._run(lambda entries, _: _release(entries, name, lease) is not None)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Do nothing: a file announces no changes. A process learns from the API's rejection that a token was dropped."""

    def __repr__(self) -> str:
        return f"<FileStore {str(self._path)!r}>"

    def _run(self, change: Callable[[Entries, float], T], *, locked: bool = True) -> T | StoreFailure:
        try:
            with self._lock() if locked else nullcontext():
                now = self._clock()
                entries = self._load(now)
                before = dict(entries)
                result = change(entries, now)
                if locked and entries != before:
                    self._save(entries)
                return result
        except ForeignFileError as error:
            self._warn(f"{error} It is neither used nor changed: name another file in the setting token_store.url.")
            return StoreFailure("ForeignFileError")
        except Exception as error:  # noqa: BLE001 - file systems and filelock raise many types
            return StoreFailure(type(error).__name__)

    def _lock(self) -> BaseFileLock:
        from filelock import FileLock

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(f"{self._path}.lock", timeout=self._lock_timeout, mode=0o600)

    def _load(self, now: float) -> Entries:
        try:
            with open(self._path, "rb", opener=_open_regular) as file:
                content = file.read(FILE_SIZE_LIMIT + 1)
        except FileNotFoundError:
            return {}
        if content and not content.startswith(FIRST_LINE):
            raise ForeignFileError(f"The token store's file {self._path} was written by another program.")
        members = json_object(content[len(FIRST_LINE) :]) if len(content) <= FILE_SIZE_LIMIT else None
        if members is None and content:
            self._warn(f"The token store's file {self._path} is damaged, and not used. The next token replaces it.")
        entries = {entry_name: _parse_entry(value, now) for entry_name, value in (members or {}).items()}
        return {entry_name: entry for entry_name, entry in entries.items() if entry}

    def _save(self, entries: Entries) -> None:
        while len(content := FIRST_LINE + json.dumps(entries).encode()) > FILE_SIZE_LIMIT:
            entries.pop(min(entries, key=lambda entry_name: entries[entry_name].since))
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)  # A killed process may have left it.
        with open(new, "xb", opener=partial(os.open, mode=0o600)) as file:
            file.write(content)
        new.replace(self._path)

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log(logging.WARNING, text, event="store_file_not_used")


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file of this user. Follow no link, and do not wait for the writer of a pipe.

    Raises:
        ForeignFileError: the file belongs to another user, or is not a regular file.
    """
    file = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_uid == getattr(os, "getuid", lambda: status.st_uid)():
        return file
    os.close(file)
    raise ForeignFileError(f"The token store's file {path} belongs to another user, or is not a regular file.")


def _parse_entry(value: Any, now: float) -> Entry | None:
    """Return the entry, or None if it is damaged or does not count now."""
    match value:
        case [str() as text, int() | float() as since, int() | float() as until]:
            is_valid = text.isascii() and 0 <= since < until <= LAST_MOMENT
            return Entry(text, since, until) if is_valid and since - CLOCK_STEP <= now < until else None
        case _:
            return None


def _value(entry: Entry | None, now: float) -> tuple[bytes | None, float]:
    """Return the value and its remaining seconds. They never exceed its whole life, even if the clock was set back."""
    return (None, 0.0) if entry is None else (entry.value.encode(), min(entry.until - now, entry.until - entry.since))


def _release(entries: Entries, name: str, lease: Lease) -> Entry | None:
    """Release the lease, and return it. Return None if it was lost."""
    held = entries.get(f"{name}:lease")
    return entries.pop(f"{name}:lease") if held and held.value == lease.holder else None
