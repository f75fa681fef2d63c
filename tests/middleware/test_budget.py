"""Budget of one server: counting, limits, and a comparison with the server's own way of counting."""

from __future__ import annotations

import os
import threading

import pytest

from prio_middleware._util.origins import Origin
from prio_middleware.middleware.budget_guard import BUDGETS_LIMIT, SHORTEST_WAIT, Allowance, Budget, Usage, budget_of
from tests.oauth.helpers import Clock

FIVE = Allowance(client_errors=5, requests=None)
ORIGIN = Origin("https", "api.example", None)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.5)


@pytest.fixture
def spent(clock: Clock) -> Budget:
    return Budget(clock)


def answered(spent: Budget, *statuses: int | None) -> None:
    for status in statuses:
        assert spent.spend(None) is None
        spent.settle(status)


def test_a_budget_counts_requests_refusals_and_calls_in_flight(spent: Budget) -> None:
    answered(spent, 200, 302, 399, 400, 404, 429, 499, 500, 599, None)
    spent.spend(None)

    assert spent.usage() == Usage(client_errors=4, requests=11, in_flight=1)


def test_each_answer_settles_one_request(spent: Budget) -> None:
    for _ in range(3):
        spent.spend(None)
    spent.settle(200)

    assert spent.usage().in_flight == 2


def test_what_is_older_than_a_minute_is_forgotten(spent: Budget, clock: Clock) -> None:
    answered(spent, 403)
    clock.now += 60
    assert spent.usage() == Usage(1, 1, 0)
    clock.now += 1
    assert spent.usage() == Usage(0, 0, 0)


def test_nothing_is_left_once_the_refusals_are_spent(spent: Budget, clock: Clock) -> None:
    answered(spent, *[403] * 4)
    clock.now += 10
    answered(spent, 403)
    shortage = spent.spend(FIVE)

    assert shortage
    assert "5 of 5" in shortage.message
    assert shortage.retry_after == 50.5
    assert spent.shortage(FIVE) == shortage
    assert spent.usage().requests == 5
    clock.now += shortage.retry_after
    assert spent.spend(FIVE) is None


def test_requests_in_flight_count_as_refusals(spent: Budget) -> None:
    answered(spent, 403, 403)
    assert [spent.spend(FIVE) for _ in range(3)] == [None] * 3
    shortage = spent.spend(FIVE)

    assert shortage
    assert "2 of 5" in shortage.message
    assert "3 requests in flight" in shortage.message
    assert shortage.retry_after > 59
    spent.settle(200)
    assert spent.spend(FIVE) is None


def test_the_wait_is_short_where_requests_in_flight_used_the_whole_budget(spent: Budget) -> None:
    for _ in range(5):
        spent.spend(FIVE)
    shortage = spent.spend(FIVE)

    assert shortage
    assert shortage.retry_after == SHORTEST_WAIT


def test_what_is_under_way_can_be_taken_to_succeed(spent: Budget) -> None:
    trusting = Allowance(5, None, in_flight=False)
    assert [spent.spend(trusting) for _ in range(50)] == [None] * 50
    for _ in range(4):
        spent.settle(403)
    assert spent.spend(trusting) is None
    spent.settle(403)
    shortage = spent.spend(trusting)

    assert shortage
    assert "5 of 5" in shortage.message


@pytest.mark.parametrize("under_way", [5, 6])
def test_the_wait_is_short_where_token_requests_used_the_whole_budget(spent: Budget, under_way: int) -> None:
    answered(spent, 403)
    for _ in range(under_way):
        spent.spend(None)
    shortage = spent.shortage(FIVE)

    assert shortage
    assert shortage.retry_after == SHORTEST_WAIT


def test_requests_are_a_budget_of_their_own(spent: Budget, clock: Clock) -> None:
    allowance = Allowance(None, 3)
    answered(spent, 200)
    clock.now += 30
    answered(spent, 200, None)
    shortage = spent.spend(allowance)

    assert shortage
    assert "all of 3 requests" in shortage.message
    clock.now += shortage.retry_after
    assert spent.spend(allowance) is None


def test_without_bounds_nothing_is_ever_spent(spent: Budget) -> None:
    answered(spent, *[403] * 100)
    assert spent.spend(Allowance(None, None)) is None


@pytest.mark.pitfall(id="shut-out")
@pytest.mark.parametrize("allowance", [Allowance(60, None), Allowance(None, 60)])
def test_threads_cannot_spend_more_than_there_is(allowance: Allowance) -> None:
    def clock() -> float:
        switch.wait(1e-5)  # Let another thread run, also between the check and the count.
        return 1000.0

    switch = threading.Event()
    spent = Budget(clock)
    barrier = threading.Barrier(16)
    granted: list[bool] = []

    def spend() -> None:
        barrier.wait()
        granted.extend(spent.spend(allowance) is None for _ in range(20))

    threads = [threading.Thread(target=spend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(True) == 60


def test_a_forked_process_starts_from_zero_even_if_the_lock_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.getpid() + 1
    in_child: list[Usage] = []

    def clock() -> float:
        if forking.is_set():  # The budget reads the clock under its lock, so this fork copies a held lock.
            forking.clear()
            monkeypatch.setattr(os, "getpid", lambda: child)
            in_child.append(spent.usage())
            spent.settle(200)  # A request of the parent: the child's count does not fall below zero.
            in_child.append(spent.usage())
        return 1000.5

    forking = threading.Event()
    spent = Budget(clock)
    answered(spent, 403)
    spent.spend(None)
    assert spent.usage() == Usage(1, 2, 1)
    forking.set()
    spent.usage()

    assert in_child == [Usage(0, 0, 0)] * 2


def test_one_budget_for_each_server_and_a_bound_to_their_number() -> None:
    first = budget_of(ORIGIN)
    assert budget_of(Origin("https", "api.example", None)) is first
    for port in range(1, BUDGETS_LIMIT + 1):
        assert budget_of(ORIGIN._replace(port=port)) is not first
    assert budget_of(ORIGIN) is not first


def test_asking_for_one_that_is_there_forgets_no_other() -> None:
    origins = [ORIGIN._replace(port=port) for port in range(1, BUDGETS_LIMIT + 1)]
    known = [budget_of(origin) for origin in origins]
    assert [budget_of(origin) for origin in origins] == known


def test_the_oldest_one_may_be_forgotten_by_two_threads_at_once() -> None:
    meanwhile: list[Origin] = []

    class Oldest(Origin):
        """Key whose hash lets another thread drop it first."""

        def __hash__(self) -> int:
            if meanwhile:
                budget_of(meanwhile.pop())
            return super().__hash__()

    budget_of(Oldest("https", "oldest.example", None))
    for port in range(1, BUDGETS_LIMIT):
        budget_of(ORIGIN._replace(port=port))
    meanwhile.append(ORIGIN._replace(host="other.example"))
    made = budget_of(ORIGIN)

    assert not meanwhile
    assert budget_of(ORIGIN) is made
