from __future__ import annotations

import itertools

import pytest

from prio_middleware.middleware.stakes import DOUBTFUL, HISTORY, MISSING, SURE, TOTAL, WINDOW, Evidence, Stakes


def test_the_first_doubtful_bet_is_made_at_once_and_no_other() -> None:
    stakes = Stakes()
    assert [stakes.bet(serial, 0.0, Evidence.WEAK) for serial in range(1, 50)] == [True] + [False] * 48


def test_a_window_later_there_is_another() -> None:
    stakes = Stakes()
    assert stakes.bet(1, 0.0, Evidence.WEAK)
    assert not stakes.bet(2, WINDOW - 1, Evidence.WEAK)
    assert stakes.bet(2, WINDOW, Evidence.WEAK)


def test_a_bet_that_was_won_gives_its_stake_back() -> None:
    stakes = Stakes()
    for serial in range(1, TOTAL + 1):
        assert stakes.bet(serial, 0.0, Evidence.WEAK)
        stakes.won(serial + 1)
    assert not stakes.bet(TOTAL + 1, 0.0, Evidence.WEAK)
    assert not stakes.bet(TOTAL + 1, 0.0, Evidence.STRONG)


@pytest.mark.parametrize("serial", [1, 2])
def test_a_success_with_a_token_given_up_since_wins_nothing(serial: int) -> None:
    stakes = Stakes()
    assert stakes.bet(2, 0.0, Evidence.WEAK)
    stakes.won(serial)
    assert not stakes.bet(3, 0.0, Evidence.WEAK)


def test_only_the_last_bet_can_be_won() -> None:
    stakes = Stakes()
    assert stakes.bet(1, 0.0, Evidence.WEAK)
    assert stakes.bet(2, 0.0, Evidence.STRONG)
    for _ in range(3):
        stakes.won(3)
    assert not stakes.bet(3, 0.0, Evidence.WEAK)


def test_without_a_bet_nothing_is_won() -> None:
    stakes = Stakes()
    stakes.won(1)
    assert stakes.bet(1, 0.0, Evidence.WEAK)


def test_strong_evidence_is_bet_on_whatever_doubtful_bets_were_lost_but_not_for_ever() -> None:
    stakes = Stakes()
    stakes.bet(1, 0.0, Evidence.WEAK)
    outcomes = [stakes.bet(serial, 0.0, Evidence.STRONG) for serial in range(2, 20)]
    assert outcomes == [True] * SURE + [False] * (18 - SURE)


def with_history(successes: int) -> Stakes:
    """One doubtful bet is lost already."""
    stakes = Stakes()
    stakes.bet(1, 0.0, Evidence.WEAK)
    for _ in range(successes):
        stakes.token_works()
    return stakes


@pytest.mark.parametrize("evidence", [Evidence.WEAK, Evidence.SPENT])
def test_a_run_of_refusals_where_successes_were_due_is_bet_on_once(evidence: Evidence) -> None:
    stakes = with_history(500)
    outcomes = [stakes.bet(2, 0.0, evidence) for _ in range(100)]
    assert outcomes.index(True) == MISSING
    assert sum(outcomes) == DOUBTFUL - 1


def test_a_success_ends_the_run() -> None:
    stakes = with_history(500)
    for _ in range(100):
        assert not any(stakes.bet(2, 0.0, Evidence.WEAK) for _ in range(MISSING))
        stakes.token_works()


def test_the_rarer_successes_are_the_longer_the_run() -> None:
    stakes = with_history(1)
    for _ in range(60):
        assert not any(stakes.bet(2, 0.0, Evidence.WEAK) for _ in range(9))
        stakes.token_works()
    outcomes = [stakes.bet(2, 0.0, Evidence.WEAK) for _ in range(200)]
    assert 8 * MISSING < outcomes.index(True) < 13 * MISSING


def due_after(stakes: Stakes) -> int:
    """How many more doubtful refusals the next bet takes."""
    return next(n for n in itertools.count(1) if stakes.bet(2, 0.0, Evidence.SPENT))


@pytest.mark.parametrize(("refusals", "successes", "due"), [(1, 119, 12), (1, 120, 11), (880, 145, 83), (901, 122, 100)])
def test_a_run_is_long_enough_when_ten_successes_were_due_in_it(refusals: int, successes: int, due: int) -> None:
    """With 120 successes and 1 refusal before, 11 * 120 / (120 + 1 + 11) is 10. Of more than 1,024 answers, all count half."""
    stakes = Stakes()
    for _ in range(refusals):
        assert not stakes.bet(1, 0.0, Evidence.SPENT)
    for _ in range(successes):
        stakes.token_works()

    assert due_after(stakes) == due


def test_a_bet_ends_the_run() -> None:
    stakes = Stakes()
    for _ in range(120):
        stakes.token_works()
    assert stakes.bet(1, 0.0, Evidence.WEAK)

    assert due_after(stakes) == 11


def test_where_nothing_ever_succeeded_no_run_is_long_enough() -> None:
    stakes = with_history(0)
    assert not any(stakes.bet(2, 0.0, Evidence.WEAK) for _ in range(10_000))


def test_old_answers_count_less_than_new_ones() -> None:
    stakes = with_history(0)
    for _ in range(4 * HISTORY):
        stakes.bet(2, 0.0, Evidence.WEAK)
    for _ in range(HISTORY):
        stakes.token_works()
    assert any(stakes.bet(2, 0.0, Evidence.WEAK) for _ in range(4 * MISSING))
