"""The circuit, the lease and what is remembered of refused tokens: small rules, each by itself."""

from __future__ import annotations

import pytest

from prio_middleware.tokens.shared import heeded as heeded_module
from prio_middleware.tokens.shared import refused as refused_module
from prio_middleware.tokens.shared.circuit import FIRST_PAUSE, LONGEST_PAUSE, PROBE_LIMIT, Circuit
from prio_middleware.tokens.shared.heeded import Heeded
from prio_middleware.tokens.shared.lease import LONGEST_LEASE, fetch_until, lease_seconds, patience_until, poll_pause
from prio_middleware.tokens.shared.refused import Refused


def test_one_failure_keeps_everybody_away_for_a_while() -> None:
    circuit = Circuit(lambda: 0.5)
    assert circuit.admits(0)
    circuit.failed(0)

    assert not circuit.admits(FIRST_PAUSE - 0.01)
    assert circuit.state(FIRST_PAUSE - 0.01) == "open"
    assert circuit.state(FIRST_PAUSE) == "half_open"


def test_then_one_at_a_time_may_try() -> None:
    circuit = Circuit(lambda: 0.5)
    circuit.failed(0)
    assert circuit.admits(FIRST_PAUSE)
    assert circuit.state(FIRST_PAUSE) == "half_open"
    assert not circuit.admits(FIRST_PAUSE)
    circuit.succeeded()

    assert circuit.state(FIRST_PAUSE) == "closed"
    assert circuit.admits(FIRST_PAUSE)


def test_a_probe_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    circuit = Circuit(lambda: 0.5)
    circuit.failed(0)
    assert circuit.admits(FIRST_PAUSE)

    assert not circuit.admits(FIRST_PAUSE + PROBE_LIMIT - 0.01)
    assert circuit.admits(FIRST_PAUSE + PROBE_LIMIT)


def test_pauses_grow_to_a_limit_and_differ() -> None:
    circuit = Circuit(lambda: 0.5)
    now, pauses = 0.0, []
    for _ in range(20):
        circuit.failed(now)
        pauses.append(next(pause for pause in range(1, 100) if circuit.state(now + pause) == "half_open"))
        now += pauses[-1]

    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert pauses[-1] == LONGEST_PAUSE
    early, late = Circuit(lambda: 0.0), Circuit(lambda: 0.99)
    early.failed(0)
    late.failed(0)
    assert early.admits(0.75)
    assert not late.admits(1.2)


def test_of_many_who_fail_together_only_the_first_makes_the_pause_longer() -> None:
    circuit = Circuit(lambda: 0.5)
    assert all(circuit.admits(0) for _ in range(20))
    for _ in range(20):
        circuit.failed(0.25)
    assert circuit.admits(0.25 + FIRST_PAUSE)
    circuit.failed(2)
    circuit.failed(2)

    assert not circuit.admits(2 + 2 * FIRST_PAUSE - 0.01)
    assert circuit.admits(2 + 2 * FIRST_PAUSE)


@pytest.mark.parametrize(("left", "expected"), [(30.0, LONGEST_LEASE), (9.0, 10.0), (2.0, 3.0), (0.0, 1.0)])
def test_a_lease_is_no_longer_than_its_fetch_needs(left: float, expected: float) -> None:
    assert lease_seconds(left) == expected


@pytest.mark.parametrize("left", [0.0, 0.1, 1.0, 5.0, 9.0, 10.0, 30.0, 600.0])
@pytest.mark.parametrize("longest", [0.2, 1.0, 2.0, 10.0, 60.0])
def test_a_fetch_is_always_shorter_than_its_lease(left: float, longest: float) -> None:
    lease = lease_seconds(left, longest)

    assert fetch_until(100.0, lease, 100.0 + left) < 100.0 + lease
    assert fetch_until(100.0, lease, 100.0 + left) <= 100.0 + left


@pytest.mark.parametrize(("lease", "expected"), [(10.0, 9.0), (3.0, 2.0), (2.0, 1.0), (1.0, 0.5)])
def test_of_a_lease_a_second_is_kept_or_half_of_a_short_one(lease: float, expected: float) -> None:
    assert fetch_until(100.0, lease, 200.0) == 100.0 + expected


@pytest.mark.parametrize(("left", "expected"), [(30.0, 20.0), (20.0, 10.0), (4.0, 2.0), (0.0, 0.0)])
def test_a_waiter_keeps_time_for_a_fetch_of_its_own(left: float, expected: float) -> None:
    assert patience_until(100.0, 100.0 + left) == 100.0 + expected


def test_polls_grow_rarer_differ_and_end_with_the_lease() -> None:
    pauses = [poll_pause(number, 100.0, 0.99) for number in range(100)]

    assert pauses == sorted(pauses)
    assert 0.04 < pauses[0] < 0.051
    assert 0.49 < pauses[-1] <= 0.5
    assert poll_pause(5, 100.0, 0.0) < poll_pause(5, 100.0, 0.9)
    assert [poll_pause(number, 100.0, 1.0) for number in range(4)] == pytest.approx([0.05, 0.075, 0.1125, 0.16875])
    assert poll_pause(50, 0.01, 0.5) == pytest.approx(0.01 + 0.05 * 0.75)


def test_refused_generations_are_told_under_their_name_until_they_would_have_expired() -> None:
    refused = Refused()
    refused.know("a", "name")
    refused.know("b", "other")
    refused.add("a", 110.0)
    refused.add("b", 105.0)
    refused.add("unknown", 110.0)

    assert refused.lives("name", 100.0) == {"a": 10.0}
    assert refused.lives("other", 100.0) == {"b": 5.0}
    assert refused.lives("other", 105.0) == {}
    assert refused.lives("name", 105.0) == {"a": 5.0}


def test_of_refused_generations_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_module, "LIMIT", 2)
    monkeypatch.setattr(refused_module, "NAMES_LIMIT", 3)
    refused = Refused()
    for generation in "abcd":
        refused.know(generation, "name")
        refused.add(generation, float("inf"))

    assert refused.lives("name", 0.0) == {"c": refused_module.LONGEST, "d": refused_module.LONGEST}
    refused.know("e", "name")
    refused.know("f", "name")
    assert "c" not in refused.lives("name", 0.0)
    assert "d" in refused.lives("name", 0.0)


def test_a_refusal_counts_from_when_it_was_seen_first() -> None:
    heeded = Heeded()

    assert [heeded.left("a", 10.0, now) for now in (100.0, 104.0, 110.0, 200.0)] == [10.0, 6.0, 0.0, 0.0]
    assert heeded.left("b", 10.0, 200.0) == 10.0


def test_of_refusals_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heeded_module, "LIMIT", 2)
    heeded = Heeded()
    for name in "abc":
        heeded.left(name, 10.0, 100.0)

    assert [heeded.left(name, 10.0, 105.0) for name in "cb"] == [5.0, 5.0]
    assert heeded.left("a", 10.0, 105.0) == 10.0
