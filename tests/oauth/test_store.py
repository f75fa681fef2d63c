"""Token cache: its contents, its bound, and changes by other threads between two steps."""

# Private access: dictionaries that change between two steps stand in for other threads, which cannot be timed that exactly.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import AccessToken, Secret, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.cache import CACHE_LIMIT, TokenCache


def expiring(at: float) -> AccessToken:
    return AccessToken(Secret("t"), expires_at=at)


def scoped(number: int) -> TokenOptions:
    return TokenOptions(scope=str(number))


class Racing(dict[TokenOptions, AccessToken]):
    """Another thread does something right before an entry is taken out."""

    def __init__(self, content: dict[TokenOptions, AccessToken], before: Callable[[Racing, TokenOptions], object]) -> None:
        super().__init__(content)
        self.before = before

    def pop(self, key: TokenOptions, *default: Any) -> Any:
        self.before(self, key)
        return super().pop(key, *default)


def filled(limit: int, count: int) -> TokenCache:
    store = TokenCache(limit)
    for number in range(count):
        store.put(scoped(number), expiring(10.0), now=0.0)
    return store


def kept(store: TokenCache, count: int) -> list[int]:
    return [number for number in range(count) if store.get(scoped(number)) is not None]


def test_the_store_is_bounded_and_evicts_the_oldest_unused_token(subtests: pytest.Subtests) -> None:
    for limit in (1, 2, 3, 8):
        with subtests.test(limit=limit):
            store = TokenCache(limit)
            evicted = [store.put(scoped(number), expiring(10.0), now=0.0) for number in range(20)]

            assert evicted == [0] * limit + [1] * (20 - limit)
            assert len(store) == limit
            assert kept(store, 20) == list(range(20 - limit, 20))


@pytest.mark.pitfall(id="many-scopes")
def test_what_is_used_stays_however_many_others_come(subtests: pytest.Subtests) -> None:
    """As callers do: a look-up, which notes nothing, and ``get`` only where that misses."""
    for limit in (8, 100):
        with subtests.test(limit=limit):
            store = filled(limit, limit)
            in_use = [scoped(number) for number in range(limit // 2)]
            misses = 0
            for number in range(limit, 20 * limit):
                for key in in_use:
                    if store.lookup(key) is None:
                        misses += 1
                        assert store.get(key) is not None
                assert store.put(scoped(number), expiring(10.0), now=0.0) == 1

            assert len(store) == limit
            assert misses < 20 * limit  # a look-up for each turn of the clock, and not for each call


def test_a_token_that_is_fetched_anew_keeps_its_place() -> None:
    store = filled(4, 4)
    newer = expiring(20.0)
    assert store.put(scoped(0), newer, now=0.0) == 0
    assert store.lookup(scoped(0)) is newer

    for number in range(4, 7):
        store.put(scoped(number), expiring(10.0), now=0.0)
    assert kept(store, 7) == [0, 4, 5, 6]


def test_a_removed_token_takes_no_space_and_is_not_found(subtests: pytest.Subtests) -> None:
    for how in ("remove", "clear"):
        with subtests.test(how=how):
            store = filled(2, 2)
            for number in range(50):
                token = expiring(10.0)
                store.put(scoped(number), token, now=0.0)
                assert store.remove(token) if how == "remove" else store.clear()
                assert store.lookup(scoped(number)) is None

            assert store.put(scoped(99), expiring(10.0), now=0.0) == 0
            assert store.lookup(scoped(99)) is not None


def test_half_of_the_tokens_are_found_without_being_used() -> None:
    store = filled(6, 3)

    assert all(store.lookup(scoped(number)) for number in range(3))
    assert store.put(scoped(3), expiring(10.0), now=0.0) == 0
    assert store.lookup(scoped(0)) is None


def test_a_token_that_was_removed_is_a_new_one_when_it_comes_again() -> None:
    newer, older = filled(4, 2), filled(4, 3)
    for store in (newer, older):
        (first,) = store.remove(store.get(scoped(0)) or expiring(10.0))
        store.put(first, expiring(10.0), now=0.0)
        store.put(scoped(3), expiring(10.0), now=0.0)

    assert [bool(newer.lookup(scoped(number))) for number in (0, 1, 3)] == [True, False, True]
    assert [bool(older.lookup(scoped(number))) for number in (0, 1, 2, 3)] == [True, False, False, True]


def test_what_another_thread_evicts_meanwhile_is_gone_once() -> None:
    store = filled(1, 1)
    store._tokens = Racing(store._tokens, lambda tokens, key: tokens.__delitem__(key))

    assert store.put(scoped(1), expiring(20.0), now=0.0) == 0
    assert list(store._tokens) == [scoped(1)]


def test_a_token_that_another_thread_has_not_queued_yet_is_not_evicted() -> None:
    store = TokenCache(1)
    store._tokens[scoped(0)] = expiring(10.0)

    assert store.put(scoped(1), expiring(10.0), now=0.0) == 0
    assert len(store) == 2


def test_what_other_threads_have_not_queued_yet_makes_room_all_at_once() -> None:
    store = filled(4, 4)
    store._tokens |= {scoped(8): expiring(10.0), scoped(9): expiring(10.0)}

    assert store.put(scoped(4), expiring(10.0), now=0.0) == 3
    assert len(store) == 4


def test_no_lookup_finds_a_token_that_another_thread_used_while_it_was_evicted() -> None:
    store = filled(2, 2)
    store._tokens = Racing(store._tokens, lambda _, key: store.get(key))

    assert store.put(scoped(2), expiring(10.0), now=0.0) == 1
    assert store.lookup(scoped(0)) is None


def test_a_lookup_finds_the_token_that_another_thread_stored() -> None:
    newer = expiring(10.0)

    class Late(dict[TokenOptions, AccessToken]):
        """Dictionary into which another thread puts a token between two steps."""

        def __setitem__(self, key: TokenOptions, token: AccessToken) -> None:
            super().__setitem__(key, token)
            if token is not newer:
                store._tokens[key] = newer

    store = TokenCache()
    store._used = Late()
    store.put(DEFAULT_OPTIONS, expiring(10.0), now=0.0)

    assert store._used == {DEFAULT_OPTIONS: newer}


def test_of_two_it_keeps_the_newer() -> None:
    store = TokenCache()
    older, newer = expiring(10.0), expiring(10.0)
    store.put(DEFAULT_OPTIONS, newer, now=0.0)
    store.put(DEFAULT_OPTIONS, older, now=0.0)

    assert store.get(DEFAULT_OPTIONS) is newer


def test_what_has_expired_is_not_kept(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, bool]] = [(9.9, True), (10.0, False), (10.1, False)]
    for now, kept in rows:
        with subtests.test(now=now, kept=kept):
            store = TokenCache()
            assert store.put(DEFAULT_OPTIONS, expiring(10.0), now) == 0

            assert (store.get(DEFAULT_OPTIONS) is not None) is kept


def test_dropping_a_token_names_its_keys_and_leaves_the_others() -> None:
    store = TokenCache()
    refused, other = expiring(10.0), expiring(10.0)
    for number, token in enumerate((refused, other, refused)):
        store.put(scoped(number), token, now=0.0)

    assert store.remove(refused) == [scoped(0), scoped(2)]
    assert [store.get(scoped(number)) for number in range(3)] == [None, other, None]


def test_dropping_a_token_leaves_the_newer_one_that_came_in_between() -> None:
    older, newer = expiring(10.0), expiring(10.0)
    store = TokenCache()
    store._tokens = Racing({DEFAULT_OPTIONS: older}, lambda tokens, key: tokens.__setitem__(key, newer))
    store.remove(older)

    assert store._tokens == {DEFAULT_OPTIONS: newer}


def test_dropping_a_token_that_another_thread_has_just_dropped_changes_nothing() -> None:
    token = expiring(10.0)
    store = TokenCache()
    store._tokens = Racing({DEFAULT_OPTIONS: token}, lambda tokens, key: tokens.__delitem__(key))
    store.remove(token)

    assert store._tokens == {}


def test_clearing_it_names_every_key() -> None:
    store = TokenCache()
    for number in range(3):
        store.put(scoped(number), expiring(10.0), now=0.0)

    assert store.clear() == [scoped(number) for number in range(3)]
    assert len(store) == 0


def test_by_default_it_keeps_about_a_thousand() -> None:
    store = filled(CACHE_LIMIT, 1025)

    assert len(store) == 1024
    assert store.get(scoped(0)) is None
