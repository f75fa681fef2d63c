from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware.middleware.refusal_memory import CODES, LESSON, LONGEST_LESSON, PLACES, Place, RefusalMemory
from prio_middleware.middleware.stakes import DOUBTFUL, MISSING, SURE, WINDOW

CODE = "403 AUTHORIZATION_FAILURE"


def place(path: str = "/a") -> Place:
    return Place("GET", b"api.example.com", path)


A, B, C = place("/a"), place("/b"), place("/c")


def would_try(memory: RefusalMemory, where: Place, serial: int, now: float) -> bool:
    """Asks without leaving a trace."""
    return copy.deepcopy(memory).refused(where, CODE, serial, now)


@pytest.fixture
def memory() -> RefusalMemory:
    return RefusalMemory()


def test_the_first_refusal_is_worth_a_new_token(memory: RefusalMemory) -> None:
    assert memory.refused(A, CODE, 1, 0.0)


def test_a_second_try_is_never_followed_by_a_third(memory: RefusalMemory) -> None:
    memory.accepted(A, 1)
    memory.refused(A, CODE, 1, 0.0)
    assert not memory.refused(A, CODE, 2, 0.0, second=True)


def test_what_was_refused_with_a_token_given_up_is_tried_again_for_nothing(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    assert all(memory.refused(place(f"/{n}"), CODE, 1, 0.0) for n in range(1000))


@pytest.mark.pitfall(id="always-forbidden")
def test_a_place_that_never_answered_is_not_tried_again_once_a_new_token_did_not_help(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    memory.refused(A, CODE, 2, 0.0, second=True)
    assert not memory.refused(A, CODE, 1, 1.0)
    assert not memory.refused(A, CODE, 2, LESSON - 1)


def test_nor_once_a_newer_token_is_refused_that_came_for_another_reason(memory: RefusalMemory) -> None:
    memory.refused(B, CODE, 1, 0.0)
    assert not memory.refused(A, CODE, 2, 0.0)
    assert not memory.refused(A, CODE, 3, WINDOW)
    assert not memory.refused(A, CODE, 3, WINDOW + LESSON - 1)


def test_after_a_while_it_gets_another_chance(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    memory.refused(A, CODE, 2, 0.0, second=True)
    assert memory.refused(A, CODE, 2, LESSON)


def test_every_further_lesson_holds_twice_as_long_within_limits(memory: RefusalMemory) -> None:
    now, held = 0.0, []
    for serial in range(1, 8):
        assert memory.refused(A, CODE, serial, now)
        memory.refused(A, CODE, serial + 1, now, second=True)
        learnt = now
        while not would_try(memory, A, serial + 1, now):
            now += LESSON / 2
        held.append(now - learnt)
    assert held == [LESSON, 2 * LESSON, 4 * LESSON, 8 * LESSON, LONGEST_LESSON, LONGEST_LESSON, LONGEST_LESSON]


def test_a_thousand_calls_that_learn_the_same_learn_it_once(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    for _ in range(1000):
        memory.refused(A, CODE, 2, 0.0, second=True)
    assert memory.refused(A, CODE, 2, LESSON)


def test_a_place_that_answers_is_believed_at_once(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    memory.refused(A, CODE, 2, 0.0, second=True)
    memory.accepted(A, 2)
    assert memory.refused(A, CODE, 2, 1.0)


def test_a_place_that_answered_is_believed_though_doubtful_bets_are_spent(memory: RefusalMemory) -> None:
    memory.accepted(A, 1)
    assert memory.refused(B, CODE, 1, 0.0)
    assert not memory.refused(C, CODE, 2, 0.0)
    assert memory.refused(A, CODE, 2, 0.0)


def test_a_place_that_answered_is_believed_until_two_new_tokens_did_not_help(memory: RefusalMemory) -> None:
    memory.accepted(A, 1)
    assert memory.refused(A, CODE, 1, 0.0)
    memory.refused(A, CODE, 2, 0.0, second=True)
    assert memory.refused(A, CODE, 2, 1.0)
    memory.refused(A, CODE, 3, 1.0, second=True)
    assert not memory.refused(A, CODE, 3, 2.0)
    assert memory.refused(A, CODE, 3, 1.0 + LESSON)


def test_a_place_that_is_not_believed_still_gets_the_token_that_others_asked_for(memory: RefusalMemory) -> None:
    for serial in (1, 2):
        memory.accepted(A, serial)
        memory.refused(A, CODE, serial, 0.0)
        memory.refused(A, CODE, serial + 1, 0.0, second=True)
    memory.accepted(B, 3)
    assert not memory.refused(A, CODE, 3, 1.0)
    assert memory.refused(B, CODE, 3, 1.0)
    assert memory.refused(A, CODE, 3, 1.0)


def test_a_second_try_that_succeeds_clears_a_place_of_all_suspicion(memory: RefusalMemory) -> None:
    memory.accepted(A, 1)
    for serial in (1, 3):
        assert memory.refused(A, CODE, serial, 0.0)
        memory.refused(A, CODE, serial + 1, 0.0, second=True)
        memory.accepted(A, serial + 2, second=True)
    assert memory.refused(A, CODE, 5, 0.0)


def test_error_codes_are_learnt_one_by_one(memory: RefusalMemory) -> None:
    for serial in (1, 2):
        memory.accepted(A, serial)
        memory.refused(A, CODE, serial, 0.0)
        memory.refused(A, CODE, serial + 1, 0.0, second=True)
    memory.accepted(A, 3)
    assert not memory.refused(A, CODE, 3, 1.0)
    assert memory.refused(A, "401 EXPIRED", 3, 1.0)


def test_methods_and_hosts_are_different_places(memory: RefusalMemory) -> None:
    memory.refused(A, CODE, 1, 0.0)
    memory.refused(A, CODE, 2, 0.0, second=True)
    memory.accepted(B, 2, second=True)
    assert not memory.refused(A, CODE, 2, 1.0)
    assert memory.refused(A._replace(method="POST"), CODE, 2, 1.0)
    memory.accepted(B, 3, second=True)
    assert memory.refused(A._replace(host=b"other.example"), CODE, 3, 1.0)


def test_memory_is_bounded() -> None:
    memory = RefusalMemory()
    for n in range(3 * PLACES):
        memory.accepted(place(f"/{n}"), 1)
        memory.refused(place("/codes"), str(n), 1, 0.0)
    records = memory._records
    assert len(records) == PLACES
    assert len(records[place("/codes")].lessons) == CODES


def test_the_places_in_use_are_the_ones_remembered() -> None:
    memory = RefusalMemory()
    for n in range(3 * PLACES):
        memory.accepted(place(f"/{n}"), 1)
        memory.accepted(A, 1)
    memory.refused(B, CODE, 1, 0.0)
    memory.refused(C, CODE, 2, 0.0)
    assert memory.refused(A, CODE, 2, 0.0)


def test_a_new_place_takes_the_oldest_one_s() -> None:
    memory = RefusalMemory()
    for n in range(PLACES + 1):
        memory.accepted(place(f"/{n}"), 1)
    memory.refused(B, CODE, 1, 0.0)
    memory.refused(C, CODE, 2, 0.0)

    assert memory.refused(place(f"/{PLACES}"), CODE, 2, 0.0)


def test_a_success_with_a_token_given_up_says_nothing_of_the_one_in_use(memory: RefusalMemory) -> None:
    for n in range(500):
        memory.accepted(place(f"/{n}"), 1)
    assert memory.refused(A, CODE, 1, 0.0)

    tried = False
    for n in range(2 * MISSING):
        tried |= memory.refused(place(f"/closed/{n}"), CODE, 2, 0.0)
        memory.accepted(B, 1)
    assert tried


# Whatever happens.

Call = tuple[int, int, bool, float]
calls = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans(), st.floats(0, 40)),
    max_size=300,
)


@settings(deadline=None)
@given(calls=calls)
def test_whatever_the_server_answers_few_tokens_are_had_in_vain(calls: list[Call]) -> None:
    """A client that uses its newest token, a server that answers as it likes: bets in any window, and tries for any call."""
    memory, serial, now = RefusalMemory(), 1, 0.0
    lost: list[float] = []
    for where, code, answered, pause in calls:
        now += pause
        if answered:
            memory.accepted(place(str(where)), serial)
        elif memory.refused(place(str(where)), str(code), serial, now):
            serial += 1
            lost.append(now)
            assert not memory.refused(place(str(where)), str(code), serial, now, second=True)
    for first in lost:
        assert sum(first <= at < first + WINDOW for at in lost) <= SURE + DOUBTFUL


@settings(deadline=None)
@given(
    paths=st.lists(st.integers(0, 400), max_size=400),
    allowed=st.sets(st.integers(0, 400)),
)
def test_paths_that_are_always_closed_cost_two_tokens_in_a_window(paths: list[int], allowed: set[int]) -> None:
    memory, serial, bets, learnt = RefusalMemory(), 1, 0, set()
    for path in paths:
        if path in allowed:
            memory.accepted(place(str(path)), serial)
        elif memory.refused(place(str(path)), CODE, serial, 0.0):
            assert path not in learnt
            serial, bets = serial + 1, bets + 1
            memory.refused(place(str(path)), CODE, serial, 0.0, second=True)
            learnt.add(path)
    assert bets <= DOUBTFUL


@settings(deadline=None)
@given(
    known=st.sets(st.integers(0, 20), min_size=1), noise=st.lists(st.integers(0, 100)), which=st.randoms(use_true_random=False)
)
def test_a_place_that_answered_notices_a_revocation_through_any_noise(known: set[int], noise: list[int], which: object) -> None:
    memory, serial = RefusalMemory(), 1
    for path in known:
        memory.accepted(place(f"/open/{path}"), serial)
    for path in noise:
        if memory.refused(place(f"/closed/{path}"), CODE, serial, 0.0):
            serial += 1
            memory.refused(place(f"/closed/{path}"), CODE, serial, 0.0, second=True)
    for path in known:
        assert memory.refused(place(f"/open/{path}"), CODE, serial, 1.0)
