"""Each operation against a real server: what it keeps, for how long, and what it makes of what others left there."""

from __future__ import annotations

import time
from typing import Any

import pytest

from prio_middleware.tokens.shared.lua import SIZE_LIMIT
from prio_middleware.tokens.shared.redis_store import CHANNEL, RedisStore
from prio_middleware.tokens.shared.store import Lease, Seen, Turn, Unreachable
from tests.redis_servers import Server, until

NAME = "a" * 40
GENERATION = "1" * 32
OTHER = "2" * 32
LEASE = Lease("owner", "fetch", 10.0)
THEIRS = Lease("another", "fetch", 10.0)
TOKEN, HELD, REFUSAL, DROPPED = (f"prio-middleware:{{{NAME}}}:{kind}" for kind in ("token", "lease", "refusal", "dropped"))


@pytest.fixture
def store(server: Server) -> RedisStore:
    return server.store()


@pytest.fixture
def admin(server: Server) -> Any:
    return server.admin()


def published(store: RedisStore, generation: str = GENERATION, life: float = 100.0) -> bool | Unreachable:
    seen = store.look(NAME, {})
    assert isinstance(seen, Seen)
    assert store.lead(NAME, seen, LEASE) == Turn(granted=True)
    return store.publish(NAME, LEASE, generation, b"sealed", life)


def look(store: RedisStore, **refused: float) -> Seen:
    seen = store.look(NAME, refused)
    assert isinstance(seen, Seen)
    return seen


def test_at_first_there_is_nothing(store: RedisStore) -> None:
    assert look(store)._replace(life=0, refusal_life=0) == Seen()
    assert look(store).generation == ""


def test_what_is_published_is_there_until_it_expires(store: RedisStore, admin: Any) -> None:
    assert published(store) is True
    seen = look(store)

    assert seen.record == GENERATION.encode() + b"sealed"
    assert seen.generation == GENERATION
    assert 90 < seen.life <= 100
    assert admin.keys() == [TOKEN.encode()]


def test_a_lease_is_held_by_one(store: RedisStore, admin: Any) -> None:
    assert store.lead(NAME, Seen(), LEASE) == Turn(granted=True)
    refused = store.lead(NAME, Seen(), THEIRS)

    assert isinstance(refused, Turn)
    assert not refused.granted
    assert 0 < refused.wait <= 10
    assert 0 < admin.pttl(HELD) <= 10_000
    assert store.release(NAME, THEIRS) is False
    assert store.release(NAME, LEASE) is True
    assert store.lead(NAME, Seen(), THEIRS) == Turn(granted=True)


def test_an_owner_may_take_its_own_lease_over(store: RedisStore) -> None:
    again = LEASE._replace(fetch="another fetch")
    store.lead(NAME, Seen(), LEASE)

    assert store.lead(NAME, Seen(), again) == Turn(granted=True)
    assert store.release(NAME, LEASE) is False
    assert store.release(NAME, again) is True
    assert store.lead(NAME, Seen(), LEASE) == Turn(granted=True)
    assert store.lead(NAME, Seen(), Lease("own", "fetch", 10.0)) != Turn(granted=True)  # no owner by a part of its name


def test_a_record_that_has_changed_since_is_to_be_looked_at_again(store: RedisStore) -> None:
    published(store)

    assert store.lead(NAME, Seen(), THEIRS) == Turn(granted=False, wait=0.0)
    assert store.lead(NAME, look(store), THEIRS) == Turn(granted=True)


def test_a_refusal_that_has_come_since_is_to_be_looked_at_first(store: RedisStore) -> None:
    store.lead(NAME, Seen(), LEASE)
    store.refuse(NAME, LEASE, b"no", 20)

    assert store.lead(NAME, Seen(), THEIRS) == Turn(granted=False, wait=0.0)
    assert store.lead(NAME, look(store), THEIRS) == Turn(granted=True)  # it may be none of ours


def test_only_who_holds_the_lease_publishes(store: RedisStore) -> None:
    assert store.publish(NAME, LEASE, GENERATION, b"sealed", 100) is False
    store.lead(NAME, Seen(), THEIRS)
    assert store.publish(NAME, LEASE, GENERATION, b"sealed", 100) is False
    assert store.refuse(NAME, LEASE, b"sealed", 100) is False
    assert look(store).record is None


def test_what_passed_since_the_lease_began_is_taken_off_the_life(store: RedisStore, admin: Any) -> None:
    store.lead(NAME, Seen(), LEASE)
    admin.pexpire(HELD, 4_000)  # six seconds later
    store.publish(NAME, LEASE, GENERATION, b"sealed", 100)

    assert 90 < look(store).life <= 94


def test_what_has_expired_meanwhile_is_not_kept(store: RedisStore, admin: Any) -> None:
    store.lead(NAME, Seen(), LEASE)
    admin.pexpire(HELD, 4_000)
    assert store.publish(NAME, LEASE, GENERATION, b"sealed", 5) is False
    assert admin.keys() == []


def test_a_lease_whose_end_a_failover_moved_does_not_prolong_a_life(store: RedisStore, admin: Any) -> None:
    store.lead(NAME, Seen(), LEASE)
    admin.pexpire(HELD, 300_000)
    store.publish(NAME, LEASE, GENERATION, b"sealed", 100)

    assert look(store).life <= 100


def test_a_dropped_generation_is_gone_and_stays_so(store: RedisStore, admin: Any) -> None:
    published(store)
    assert look(store, **{GENERATION: 50.0}).record is None
    assert published(store) is False
    assert look(store).record is None
    assert 0 < admin.pttl(DROPPED) <= 50_000
    assert published(store, OTHER) is True


def test_a_full_store_does_not_forget_what_was_dropped(store: RedisStore, admin: Any) -> None:
    published(store, OTHER)
    look(store, **{GENERATION: 50.0})
    admin.config_set("maxmemory", "1")
    try:
        assert look(store, **{"3" * 32: 50.0}).generation == OTHER  # for which there is no room
        assert admin.zrange(DROPPED, 0, -1) == [GENERATION.encode()]
        assert look(store, **{OTHER: 50.0}).record is None
    finally:
        admin.config_set("maxmemory", "0")


def test_another_generation_is_left_alone(store: RedisStore) -> None:
    published(store, OTHER)

    assert look(store, **{GENERATION: 50.0}).generation == OTHER


def test_a_dropped_generation_that_is_back_is_dropped_again(store: RedisStore, admin: Any) -> None:
    look(store, **{GENERATION: 50.0})
    admin.set(TOKEN, GENERATION.encode() + b"sealed", px=1000)

    assert look(store).record is None
    assert admin.exists(TOKEN) == 0


def test_dropped_generations_are_forgotten_when_they_would_have_expired(store: RedisStore, admin: Any) -> None:
    look(store, **{GENERATION: 0.001})
    time.sleep(0.01)
    look(store, **{OTHER: 50.0})

    assert admin.zrange(DROPPED, 0, -1) == [OTHER.encode()]
    assert published(store) is True


def test_a_refusal_is_kept_until_it_ends_or_a_token_comes(store: RedisStore, admin: Any) -> None:
    store.lead(NAME, Seen(), LEASE)
    assert store.refuse(NAME, LEASE, b"no", 20) is True
    seen = look(store)

    assert (seen.record, seen.refusal) == (None, b"no")
    assert 10 < seen.refusal_life <= 20
    assert published(store) is True
    assert look(store).refusal is None


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
    assert look(store, **{GENERATION: 50.0}).record is None
    assert published(store) is False


def test_of_a_value_that_is_longer_than_any_of_ours_a_part_is_looked_at(store: RedisStore, admin: Any) -> None:
    admin.set(TOKEN, b"x" * 500_000, px=10_000)
    admin.set(REFUSAL, b"y" * 500_000, px=10_000)
    seen = look(store)

    assert seen.record == b"x" * (SIZE_LIMIT + 1)
    assert seen.refusal == b"y" * (SIZE_LIMIT + 1)
    assert published(store) is True
    assert look(store).generation == GENERATION


def test_a_lease_that_never_ends_is_nobodys(store: RedisStore, admin: Any) -> None:
    admin.set(HELD, "somebody:else")

    assert store.lead(NAME, Seen(), LEASE) == Turn(granted=True)


def test_a_drop_is_told_of(store: RedisStore, admin: Any) -> None:
    channel = admin.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(CHANNEL)
    until(lambda: admin.pubsub_numsub(CHANNEL)[0][1] == 1, "subscribed")
    published(store)
    look(store, **{GENERATION: 50.0})
    look(store, **{GENERATION: 50.0})
    admin.set(TOKEN, GENERATION.encode() + b"sealed", px=1000)  # a failover brings it back
    look(store, **{GENERATION: 50.0})
    look(store, **{OTHER: 50.0})  # which others may have in memory though it is not kept here any more
    look(store, **{OTHER: 50.0})
    heard: list[Any] = []

    def has_heard() -> bool:
        heard.append(channel.get_message(timeout=1))
        return sum(map(bool, heard)) == 3

    until(has_heard, "messages")
    assert [message["data"].decode() for message in heard if message] == [GENERATION, GENERATION, OTHER]
    assert channel.get_message() is None
