"""Comparison of the simulated store with the scripts on a real Redis."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.fleet.redis_server import RedisServer, binary
from benchmarks.fleet.store import VirtualStore
from prio_middleware import Secret
from prio_middleware.oauth.shared.connection import RedisAddress
from prio_middleware.oauth.shared.redis_store import RedisStore
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry

NAMES = ["berlin", "paris"]
LEASES = [Lease(owner, fetch, 60.0) for owner in ("one", "two") for fetch in ("x", "y")]
LIFE = 60.0


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    if binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    with RedisServer() as server:
        yield server


def operation(random_numbers: random.Random, step: int, now: StoreEntry) -> tuple[str, Any]:
    """Draw an operation, mostly on a token that is in the store ``now``, or a recent one."""
    name, lease = random_numbers.choice(NAMES), random_numbers.choice(LEASES)
    token_id = random_numbers.choice([now.token_id, f"{random_numbers.randint(0, 2) + step // 10:032d}"])
    return random_numbers.choice(
        [
            ("drop_and_read", (name, {})),
            ("drop_and_read", (name, {token_id: LIFE})),
            ("acquire_lease", (name, random_numbers.choice([StoreEntry(), StoreEntry(error=b"error"), now]), lease)),
            ("publish_token", (name, lease, token_id or "0" * 32, b"sealed", LIFE)),
            ("publish_error", (name, lease, b"error", LIFE)),
            ("release_lease", (name, lease)),
        ]
    )


def without_times(answer: Any) -> Any:
    match answer:
        case StoreEntry():
            return answer.record, answer.error
        case LeaseReply():
            return answer.granted, answer.wait_seconds > 0
        case _:
            return answer


@pytest.mark.parametrize("seed", range(3))
def test_the_virtual_store_answers_as_a_real_redis(seed: int, redis: RedisServer) -> None:
    redis.stop()
    redis.start()
    random_numbers, dropped = random.Random(seed), list[str]()
    real, virtual = RedisStore(RedisAddress(Secret(redis.url))), VirtualStore(lambda: 0.0, dropped.append)
    now, answers = StoreEntry(), Counter[str]()
    for step in range(400):
        what, arguments = operation(random_numbers, step, now)
        found = getattr(real, what)(*arguments)
        assert without_times(getattr(virtual, what)(*arguments)) == without_times(found), (step, what, arguments)
        now = found if isinstance(found, StoreEntry) else now
        answers[f"{what} {found is True or getattr(found, 'granted', False) or getattr(found, 'token_id', '') != ''}"] += 1
    assert len(answers) == 10, answers  # Each operation succeeded, and did not.
    assert dropped


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_a_record_and_a_tombstone_end() -> None:
    clock = Clock()
    store = VirtualStore(clock, lambda _token_id: None)
    one, two = Lease("one", "x", 10.0), Lease("two", "y", 10.0)
    assert store.acquire_lease("t", StoreEntry(), one) == LeaseReply(granted=True)
    clock.now = 4.0
    assert store.acquire_lease("t", StoreEntry(), two) == LeaseReply(granted=False, wait_seconds=6.0)
    clock.now = 10.0
    assert store.acquire_lease("t", StoreEntry(), two) == LeaseReply(granted=True)
    assert store.publish_token("t", one, "a" * 32, b"", 100.0) is False

    clock.now = 12.0
    assert store.publish_token("t", two, "b" * 32, b"sealed", 100.0) is True
    assert store.drop_and_read("t", {}) == StoreEntry(b"b" * 32 + b"sealed", 98.0, None, 0.0)
    assert store.drop_and_read("t", {"b" * 32: 50.0}).record is None
    assert store.acquire_lease("t", StoreEntry(), two).granted
    assert store.publish_token("t", two, "b" * 32, b"late", 100.0) is False
    clock.now = 62.0
    assert store.acquire_lease("t", StoreEntry(), two).granted
    assert store.publish_token("t", two, "b" * 32, b"later", 10.0) is True
    clock.now = 72.0
    assert store.drop_and_read("t", {}) == StoreEntry()


def test_a_token_that_expires_before_it_is_stored_is_not_stored() -> None:
    clock = Clock()
    store = VirtualStore(clock, lambda _token_id: None)
    lease = Lease("one", "x", 10.0)
    store.acquire_lease("t", StoreEntry(), lease)
    clock.now = 5.0
    assert store.publish_token("t", lease, "a" * 32, b"", 5.0) is False
    assert store.drop_and_read("t", {}).record is None


def test_the_next_token_replaces_a_stored_error() -> None:
    store = VirtualStore(lambda: 0.0, lambda _token_id: None)
    lease = Lease("one", "x", 10.0)
    store.acquire_lease("t", StoreEntry(), lease)
    assert store.publish_error("t", lease, b"error", 10.0) is True
    assert store.drop_and_read("t", {}) == StoreEntry(None, 0.0, b"error", 10.0)
    assert store.publish_error("t", lease, b"error", 10.0) is False
    assert store.acquire_lease("t", StoreEntry(), lease) == LeaseReply(granted=False)
    store.acquire_lease("t", store.drop_and_read("t", {}), lease)
    store.publish_token("t", lease, "a" * 32, b"", 10.0)
    assert store.drop_and_read("t", {}).error is None
