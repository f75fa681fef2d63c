"""What is kept, and for how long; and what other threads may do between two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import AccessToken, Secret, TokenOptions
from prio_middleware.tokens.store import MemoryStore
from prio_middleware.tokens.token import DEFAULT_OPTIONS


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


def test_it_is_bounded_and_evicts_what_expires_first() -> None:
    store = MemoryStore(limit=2)
    for number, expiry in enumerate((30, 10, 20)):
        store.put(scoped(number), expiring(expiry), now=0.0)

    assert [store.get(scoped(number)) is not None for number in range(3)] == [True, False, True]
    assert len(store) == 2


def test_what_another_thread_evicts_meanwhile_is_gone_once() -> None:
    store = MemoryStore(limit=1)
    store._tokens = Racing({scoped(0): expiring(10.0)}, lambda tokens, key: tokens.__delitem__(key))
    store.put(scoped(1), expiring(20.0), now=0.0)

    assert list(store._tokens) == [scoped(1)]


def test_of_two_it_keeps_the_newer() -> None:
    store = MemoryStore()
    older, newer = expiring(10.0), expiring(10.0)
    store.put(DEFAULT_OPTIONS, newer, now=0.0)
    store.put(DEFAULT_OPTIONS, older, now=0.0)

    assert store.get(DEFAULT_OPTIONS) is newer


@pytest.mark.parametrize(("now", "kept"), [(9.9, True), (10.0, False), (10.1, False)])
def test_what_has_expired_is_not_kept(now: float, kept: bool) -> None:
    store = MemoryStore()
    store.put(DEFAULT_OPTIONS, expiring(10.0), now)

    assert (store.get(DEFAULT_OPTIONS) is not None) is kept


def test_dropping_a_token_names_its_keys_and_leaves_the_others() -> None:
    store = MemoryStore()
    refused, other = expiring(10.0), expiring(10.0)
    for number, token in enumerate((refused, other, refused)):
        store.put(scoped(number), token, now=0.0)

    assert store.drop(refused) == [scoped(0), scoped(2)]
    assert [store.get(scoped(number)) for number in range(3)] == [None, other, None]


def test_dropping_a_token_leaves_the_newer_one_that_came_in_between() -> None:
    older, newer = expiring(10.0), expiring(10.0)
    store = MemoryStore()
    store._tokens = Racing({DEFAULT_OPTIONS: older}, lambda tokens, key: tokens.__setitem__(key, newer))
    store.drop(older)

    assert store._tokens == {DEFAULT_OPTIONS: newer}


def test_dropping_a_token_that_another_thread_has_just_dropped_changes_nothing() -> None:
    token = expiring(10.0)
    store = MemoryStore()
    store._tokens = Racing({DEFAULT_OPTIONS: token}, lambda tokens, key: tokens.__delitem__(key))
    store.drop(token)

    assert store._tokens == {}


def test_clearing_it_names_every_key() -> None:
    store = MemoryStore()
    for number in range(3):
        store.put(scoped(number), expiring(10.0), now=0.0)

    assert store.clear() == [scoped(number) for number in range(3)]
    assert len(store) == 0


def test_by_default_it_keeps_about_a_thousand() -> None:
    store = MemoryStore()
    for number in range(1025):
        store.put(scoped(number), expiring(10.0 + number), now=0.0)

    assert len(store) == 1024
    assert store.get(scoped(0)) is None
