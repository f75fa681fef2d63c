"""Each operation against a real server: what it keeps, for how long, and what it makes of what others left there."""

from __future__ import annotations

import time
from typing import Any

import pytest

from prio_middleware.oauth.shared.redis_store import CHANNEL, VALUE_SIZE_LIMIT, RedisStore
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry, StoreFailure
from tests.redis_servers import Server, until

NAME = "a" * 40
GENERATION = "1" * 32
OTHER = "2" * 32
LEASE = Lease("owner", "fetch", 10.0)
THEIRS = Lease("another", "fetch", 10.0)
TOKEN, HELD, REFUSAL, DROPPED = (f"prio-middleware:{{{NAME}}}:{kind}" for kind in ("token", "lease", "error", "dropped"))


@pytest.fixture
def store(server: Server) -> RedisStore:
    return server.store()


@pytest.fixture
def admin(server: Server) -> Any:
    return server.admin()


def published(store: RedisStore, token_id: str = GENERATION, life: float = 100.0) -> bool | StoreFailure:
    seen = store.drop_and_read(NAME, {})
    assert isinstance(seen, StoreEntry)
    assert store.acquire_lease(NAME, seen, LEASE) == LeaseReply(granted=True)
    return store.publish_token(NAME, LEASE, token_id, b"sealed", life)


def read(store: RedisStore, **refused: float) -> StoreEntry:
    seen = store.drop_and_read(NAME, refused)
    assert isinstance(seen, StoreEntry)
    return seen


def test_at_first_there_is_nothing(store: RedisStore) -> None:
    assert read(store)._replace(record_seconds=0, error_seconds=0) == StoreEntry()
    assert read(store).token_id == ""


def test_what_is_published_is_there_until_it_expires(store: RedisStore, admin: Any) -> None:
    assert published(store) is True
    seen = read(store)

    assert seen.record == GENERATION.encode() + b"sealed"
    assert seen.token_id == GENERATION
    assert 90 < seen.record_seconds <= 100
    assert admin.keys() == [TOKEN.encode()]


def test_a_lease_is_held_by_one(store: RedisStore, admin: Any) -> None:
    assert store.acquire_lease(NAME, StoreEntry(), LEASE) == LeaseReply(granted=True)
    refused = store.acquire_lease(NAME, StoreEntry(), THEIRS)

    assert isinstance(refused, LeaseReply)
    assert not refused.granted
    assert 0 < refused.wait_seconds <= 10
    assert 0 < admin.pttl(HELD) <= 10_000
    assert store.release_lease(NAME, THEIRS) is False
    assert store.release_lease(NAME, LEASE) is True
    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == LeaseReply(granted=True)


def test_an_owner_may_take_its_own_lease_over(store: RedisStore) -> None:
    again = LEASE._replace(lease_id="another fetch")
    store.acquire_lease(NAME, StoreEntry(), LEASE)

    assert store.acquire_lease(NAME, StoreEntry(), again) == LeaseReply(granted=True)
    assert store.release_lease(NAME, LEASE) is False
    assert store.release_lease(NAME, again) is True
    assert store.acquire_lease(NAME, StoreEntry(), LEASE) == LeaseReply(granted=True)
    assert store.acquire_lease(NAME, StoreEntry(), Lease("own", "fetch", 10.0)) != LeaseReply(
        granted=True
    )  # no owner by a part of its name


def test_a_record_that_has_changed_since_is_read_again(store: RedisStore) -> None:
    published(store)

    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == LeaseReply(granted=False, wait_seconds=0.0)
    assert store.acquire_lease(NAME, read(store), THEIRS) == LeaseReply(granted=True)


def test_an_error_published_since_is_read_first(store: RedisStore) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    store.publish_error(NAME, LEASE, b"no", 20)

    assert store.acquire_lease(NAME, StoreEntry(), THEIRS) == LeaseReply(granted=False, wait_seconds=0.0)
    assert store.acquire_lease(NAME, read(store), THEIRS) == LeaseReply(granted=True)  # it may be foreign


def test_only_the_lease_holder_publishes(store: RedisStore) -> None:
    assert store.publish_token(NAME, LEASE, GENERATION, b"sealed", 100) is False
    store.acquire_lease(NAME, StoreEntry(), THEIRS)
    assert store.publish_token(NAME, LEASE, GENERATION, b"sealed", 100) is False
    assert store.publish_error(NAME, LEASE, b"sealed", 100) is False
    assert read(store).record is None


def test_what_passed_since_the_lease_began_is_taken_off_the_life(store: RedisStore, admin: Any) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    admin.pexpire(HELD, 4_000)  # six seconds later
    store.publish_token(NAME, LEASE, GENERATION, b"sealed", 100)

    assert 90 < read(store).record_seconds <= 94


def test_what_has_expired_meanwhile_is_not_kept(store: RedisStore, admin: Any) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    admin.pexpire(HELD, 4_000)
    assert store.publish_token(NAME, LEASE, GENERATION, b"sealed", 5) is False
    assert admin.keys() == []


def test_a_lease_whose_end_a_failover_moved_does_not_prolong_a_life(store: RedisStore, admin: Any) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    admin.pexpire(HELD, 300_000)
    store.publish_token(NAME, LEASE, GENERATION, b"sealed", 100)

    assert read(store).record_seconds <= 100


def test_a_dropped_token_id_is_gone_and_stays_gone(store: RedisStore, admin: Any) -> None:
    published(store)
    assert read(store, **{GENERATION: 50.0}).record is None
    assert published(store) is False
    assert read(store).record is None
    assert 0 < admin.pttl(DROPPED) <= 50_000
    assert published(store, OTHER) is True


def test_a_full_store_does_not_forget_what_was_dropped(store: RedisStore, admin: Any) -> None:
    published(store, OTHER)
    read(store, **{GENERATION: 50.0})
    admin.config_set("maxmemory", "1")
    try:
        assert read(store, **{"3" * 32: 50.0}).token_id == OTHER  # for which there is no room
        assert admin.zrange(DROPPED, 0, -1) == [GENERATION.encode()]
        assert read(store, **{OTHER: 50.0}).record is None
    finally:
        admin.config_set("maxmemory", "0")


def test_another_token_id_is_left_alone(store: RedisStore) -> None:
    published(store, OTHER)

    assert read(store, **{GENERATION: 50.0}).token_id == OTHER


def test_a_dropped_token_id_that_is_back_is_dropped_again(store: RedisStore, admin: Any) -> None:
    read(store, **{GENERATION: 50.0})
    admin.set(TOKEN, GENERATION.encode() + b"sealed", px=1000)

    assert read(store).record is None
    assert admin.exists(TOKEN) == 0


def test_dropped_token_ids_are_forgotten_when_they_would_have_expired(store: RedisStore, admin: Any) -> None:
    read(store, **{GENERATION: 0.001})
    time.sleep(0.01)
    read(store, **{OTHER: 50.0})

    assert admin.zrange(DROPPED, 0, -1) == [OTHER.encode()]
    assert published(store) is True


def test_an_error_is_stored_until_it_expires_or_a_token_is_published(store: RedisStore, admin: Any) -> None:
    store.acquire_lease(NAME, StoreEntry(), LEASE)
    assert store.publish_error(NAME, LEASE, b"no", 20) is True
    seen = read(store)

    assert (seen.record, seen.error) == (None, b"no")
    assert 10 < seen.error_seconds <= 20
    assert published(store) is True
    assert read(store).error is None


@pytest.mark.parametrize("make", ["set", "rpush", "hset", "zadd"])
def test_values_of_other_types_are_none_and_give_way(make: str, store: RedisStore, admin: Any) -> None:
    for key in (TOKEN, HELD, REFUSAL, DROPPED):
        {
            "set": lambda key: admin.set(key, b"\xff"),
            "rpush": lambda key: admin.rpush(key, "x"),
            "hset": lambda key: admin.hset(key, "x", "y"),
            "zadd": lambda key: admin.zadd(key, {"x": 1}),
        }[make](key)
    assert published(store) is True
    assert read(store, **{GENERATION: 50.0}).record is None
    assert published(store) is False


def test_only_a_part_of_an_oversized_value_is_read(store: RedisStore, admin: Any) -> None:
    admin.set(TOKEN, b"x" * 500_000, px=10_000)
    admin.set(REFUSAL, b"y" * 500_000, px=10_000)
    seen = read(store)

    assert seen.record == b"x" * (VALUE_SIZE_LIMIT + 1)
    assert seen.error == b"y" * (VALUE_SIZE_LIMIT + 1)
    assert published(store) is True
    assert read(store).token_id == GENERATION


def test_a_lease_that_never_ends_is_nobodys(store: RedisStore, admin: Any) -> None:
    admin.set(HELD, "somebody:else")

    assert store.acquire_lease(NAME, StoreEntry(), LEASE) == LeaseReply(granted=True)


def test_a_drop_is_told_of(store: RedisStore, admin: Any) -> None:
    channel = admin.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(CHANNEL)
    until(lambda: admin.pubsub_numsub(CHANNEL)[0][1] == 1, "subscribed")
    published(store)
    read(store, **{GENERATION: 50.0})
    read(store, **{GENERATION: 50.0})
    admin.set(TOKEN, GENERATION.encode() + b"sealed", px=1000)  # a failover brings it back
    read(store, **{GENERATION: 50.0})
    read(store, **{OTHER: 50.0})  # which others may have in memory though it is not kept here any more
    read(store, **{OTHER: 50.0})
    heard: list[Any] = []

    def has_heard() -> bool:
        heard.append(channel.get_message(timeout=1))
        return sum(map(bool, heard)) == 3

    until(has_heard, "messages")
    assert [message["data"].decode() for message in heard if message] == [GENERATION, GENERATION, OTHER]
    assert channel.get_message() is None
