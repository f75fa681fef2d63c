"""Store in a file: entries, their lifetimes, and files with foreign or damaged content."""

from __future__ import annotations

import json
import logging
import os
import stat
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from prio_middleware.oauth.shared.file_store import CLOCK_STEP, FILE_SIZE_LIMIT, FIRST_LINE, LAST_MOMENT, FileStore
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry, StoreFailure
from tests.oauth.helpers import Clock

NAME = "a" * 40
TOKEN_ID, OTHER_ID = "1" * 32, "2" * 32
LEASE = Lease("owner", "fetch", 10.0)
THEIRS = Lease("another", "fetch", 10.0)
GRANTED, CHANGED = LeaseReply(granted=True), LeaseReply(granted=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens"


@pytest.fixture
def store(path: Path, clock: Clock) -> FileStore:
    return FileStore(path, clock)


def read(store: FileStore, **rejected: float) -> StoreEntry:
    entry = store.drop_and_read(NAME, rejected)
    assert isinstance(entry, StoreEntry)
    return entry


def publish(store: FileStore, token_id: str = TOKEN_ID, seconds: float = 100.0) -> bool | StoreFailure:
    assert store.acquire_lease(NAME, read(store), LEASE) == GRANTED
    return store.publish_token(NAME, LEASE, token_id, b"sealed", seconds)


def publish_value(store: FileStore, name: str, sealed: bytes) -> None:
    entry = store.drop_and_read(name, {})
    assert isinstance(entry, StoreEntry)
    assert store.acquire_lease(name, entry, LEASE) == GRANTED
    assert store.publish_token(name, LEASE, TOKEN_ID, sealed, 1000.0) is True


def test_at_first_there_is_nothing(store: FileStore, path: Path) -> None:
    assert read(store) == StoreEntry()
    assert not path.parent.exists()


def test_a_file_is_written_only_when_an_entry_changes(store: FileStore, path: Path) -> None:
    assert store.release_lease(NAME, LEASE) is False
    assert not path.exists()


def test_missing_directories_are_created(tmp_path: Path, clock: Clock) -> None:
    assert publish(FileStore(tmp_path / "state" / "shop" / "tokens", clock)) is True


def test_a_token_is_there_until_it_expires(store: FileStore, clock: Clock) -> None:
    assert publish(store) is True
    clock.now += 40
    assert read(store) == StoreEntry(TOKEN_ID.encode() + b"sealed", 60.0)
    clock.now += 60
    assert read(store) == StoreEntry()


def test_the_lifetime_of_a_stored_token_begins_with_the_lease(store: FileStore, clock: Clock) -> None:
    assert store.acquire_lease(NAME, StoreEntry(), LEASE) == GRANTED
    clock.now += 4
    assert store.publish_token(NAME, LEASE, TOKEN_ID, b"sealed", 100.0) is True
    assert read(store).record_seconds == 96.0


@pytest.mark.pitfall(id="file-token-cache")
def test_only_the_owner_may_read_it(store: FileStore, path: Path) -> None:
    before = os.umask(0)
    try:
        publish(store)
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes["tokens"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_lease_is_held_by_one(store: FileStore, clock: Clock) -> None:
    assert store.acquire_lease(NAME, StoreEntry(), LEASE) == GRANTED
    clock.now += 3
    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == LeaseReply(granted=False, wait_seconds=7.0)
    assert store.release_lease(NAME, THEIRS) is False
    assert store.acquire_lease(NAME, StoreEntry(), LEASE._replace(lease_id="again")) == GRANTED
    assert store.release_lease(NAME, LEASE) is False
    clock.now += 10
    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == GRANTED
    assert store.publish_token(NAME, LEASE, TOKEN_ID, b"sealed", 100.0) is False
    assert store.publish_error(NAME, LEASE, b"sealed", 100.0) is False
    assert store.release_lease(NAME, THEIRS) is True


def test_a_lease_is_refused_on_what_has_changed(store: FileStore) -> None:
    publish(store)
    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == CHANGED
    assert store.acquire_lease(NAME, read(store), LEASE) == GRANTED
    assert store.publish_error(NAME, LEASE, b"sealed error", 5.0) is True
    assert store.acquire_lease(NAME, read(store)._replace(error=None), THEIRS) == CHANGED
    assert store.acquire_lease(NAME, read(store), THEIRS) == GRANTED


def test_an_error_counts_until_it_ends_or_a_token_comes(store: FileStore, clock: Clock) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    assert store.publish_error(NAME, LEASE, b"sealed error", 5.0) is True
    assert read(store) == StoreEntry(error=b"sealed error", error_seconds=5.0)
    publish(store)
    assert read(store).error is None
    assert store.acquire_lease(NAME, read(store), LEASE) == GRANTED
    store.publish_error(NAME, LEASE, b"sealed error", 5.0)
    clock.now += 5
    assert read(store).error is None


def test_a_rejected_token_is_dropped_for_all_and_does_not_come_back(store: FileStore, path: Path, clock: Clock) -> None:
    publish(store)
    assert read(store, **{TOKEN_ID: 50.0}).record is None
    other = FileStore(path, clock)
    assert read(other).record is None
    assert publish(other) is False
    assert publish(other, OTHER_ID) is True
    assert read(store, **{TOKEN_ID: 50.0}).token_id == OTHER_ID
    clock.now += 50
    assert publish(store) is True


def test_a_token_that_expired_during_its_fetch_is_not_kept(store: FileStore, clock: Clock) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    clock.now += 2
    assert store.publish_token(NAME, LEASE, TOKEN_ID, b"sealed", 2.0) is False


def test_a_clock_that_was_set_back_lengthens_no_life(store: FileStore, clock: Clock) -> None:
    publish(store)
    clock.now -= 0.5
    assert read(store).record_seconds == 100.0
    clock.now -= 3600
    assert read(store) == StoreEntry()


def test_a_killed_process_leaves_a_file_that_is_whole(store: FileStore, path: Path) -> None:
    publish(store)
    path.with_name("tokens.new").write_bytes(FIRST_LINE + b'{"half')
    assert read(store).token_id == TOKEN_ID
    assert read(store, **{TOKEN_ID: 5.0}).record is None
    assert [each.name for each in path.parent.glob("*.new")] == []


@pytest.mark.pitfall(id="file-token-cache")
@pytest.mark.parametrize("content", [b'{"half', b"[]", b"\xff\xfe", b"{}".ljust(FILE_SIZE_LIMIT)])
def test_a_damaged_file_is_replaced_with_a_warning(
    content: bytes, store: FileStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(FIRST_LINE + content)
    assert publish(store) is True
    (warning,) = caplog.records
    assert (warning.levelno, vars(warning)["prio_event"]) == (logging.WARNING, "store_file_not_used")
    assert str(path) in warning.getMessage()
    assert read(store).token_id == TOKEN_ID


def test_entries_that_are_none_are_skipped(store: FileStore, path: Path, clock: Clock) -> None:
    publish(store)
    name, now = f"{NAME}:error", clock.now
    kept = json.loads(path.read_bytes()[len(FIRST_LINE) :])
    for wrong in (
        ["x", now, 1e999],
        ["x", 10**300, 10**301],
        ["x", -1, now + 9],
        ["x", now + 9, now],
        ["x", now + 0.5, now + 0.5],
        "text",
        [],
        ["x", now],
        ["x", "y", "z"],
        [1, now, now + 9],
        ["\u20ac", now, now + 9],
    ):
        path.write_bytes(FIRST_LINE + json.dumps({**kept, name: wrong}).replace("Infinity", "1e999").encode())
        assert read(store) == StoreEntry(TOKEN_ID.encode() + b"sealed", 100.0)


def test_the_earliest_and_the_latest_entries_count(store: FileStore, path: Path, clock: Clock) -> None:
    path.parent.mkdir()
    for since, until in ((0, clock.now + 9), (clock.now + CLOCK_STEP, clock.now + 9), (clock.now, LAST_MOMENT)):
        path.write_bytes(FIRST_LINE + json.dumps({f"{NAME}:error": ["x", since, until]}).encode())
        assert read(store).error == b"x"


def test_an_empty_file_is_a_new_one(store: FileStore, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.touch()
    assert publish(store) is True
    assert caplog.text == ""


@pytest.mark.pitfall(id="file-token-cache")
def test_a_file_of_another_program_is_neither_read_nor_changed(
    store: FileStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_text("[clients]\n")
    assert store.drop_and_read(NAME, {}) == store.acquire_lease(NAME, StoreEntry(), LEASE) == StoreFailure("ForeignFileError")
    assert path.read_text() == "[clients]\n"
    assert caplog.text.count("was written by another program") == 1
    assert "token_store.url" in caplog.text


def test_a_file_of_another_user_is_not_used(
    store: FileStore, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(store)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert store.drop_and_read(NAME, {}) == StoreFailure("ForeignFileError")
    assert str(path) in caplog.text


def test_a_system_without_users_and_links_reads_the_file(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store)
    with monkeypatch.context() as patch:
        for name in ("getuid", "O_NOFOLLOW", "O_NONBLOCK"):
            patch.delattr(os, name)
        assert read(store).token_id == TOKEN_ID


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("link", "OSError"), ("pipe", "ForeignFileError"), ("directory", "ForeignFileError"), ("no directory", "FileExistsError")],
)
def test_what_is_no_file_is_not_used(kind: str, reason: str, store: FileStore, path: Path, tmp_path: Path) -> None:
    if kind == "no directory":
        path.parent.touch()
    else:
        path.parent.mkdir()
    if kind == "link":
        (tmp_path / "other").write_bytes(FIRST_LINE)
        path.symlink_to(tmp_path / "other")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    assert isinstance(store.drop_and_read(NAME, {}), StoreFailure)
    assert store.release_lease(NAME, LEASE) == StoreFailure(reason)


def test_a_lock_that_is_never_released_is_a_failure(path: Path, clock: Clock) -> None:
    path.parent.mkdir()
    with FileLock(f"{path}.lock"):
        assert FileStore(path, clock, lock_timeout=0.0).release_lease(NAME, LEASE) == StoreFailure("Timeout")


def test_of_a_huge_file_no_more_is_read_than_a_file_may_have(store: FileStore, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(FIRST_LINE)
    os.truncate(path, 32 * FILE_SIZE_LIMIT)
    tracemalloc.start()
    try:
        assert read(store) == StoreEntry()
        assert tracemalloc.get_traced_memory()[1] < 8 * FILE_SIZE_LIMIT
    finally:
        tracemalloc.stop()


def test_the_oldest_entries_make_room(store: FileStore, path: Path, clock: Clock) -> None:
    names = [letter * 40 for letter in "vutsrqponmlkjihgfedcba"]
    for name in names:
        clock.now += 0.1
        publish_value(store, name, b"s" * 60_000)
    kept = [name for name in names if store.drop_and_read(name, {}) != StoreEntry()]
    assert 15 < len(kept) < len(names)
    assert kept == names[-len(kept) :]
    assert path.stat().st_size <= FILE_SIZE_LIMIT


def test_a_file_may_have_all_bytes_of_its_limit(store: FileStore, path: Path, clock: Clock) -> None:
    publish(store)
    clock.now += 1
    publish_value(store, "b" * 40, b"")
    left = FILE_SIZE_LIMIT - path.stat().st_size
    publish_value(store, "b" * 40, b"s" * left)
    assert path.stat().st_size == FILE_SIZE_LIMIT
    assert read(store).token_id == TOKEN_ID


def test_one_of_many_threads_has_the_lease(path: Path, clock: Clock) -> None:
    def acquire(number: int) -> Any:
        return FileStore(path, clock).acquire_lease(NAME, StoreEntry(), Lease(str(number), "fetch", 10.0))

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(acquire, range(16)))
    assert sorted(reply.granted for reply in replies) == [False] * 15 + [True]


def test_a_file_store_publishes_no_messages_and_names_its_file(store: FileStore, path: Path) -> None:
    store.listen(print)
    assert repr(store) == f"<FileStore {str(path)!r}>"
