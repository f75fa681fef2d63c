"""The circuit breaker, the lease, and the memory of rejected tokens, each by itself."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import TokenEndpointUnavailableError, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Steps
from prio_middleware.oauth.shared.circuit_breaker import (
    BACKGROUND_PAUSE,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PROBE_LIMIT,
    CircuitBreaker,
)
from prio_middleware.oauth.shared.coordinator import (
    LONGEST_REJECTION,
    REJECTED_IDS_LIMIT,
    SHARED_NAMES_LIMIT,
    RejectedTokens,
    SharedTokens,
)
from prio_middleware.oauth.shared.records import RecordKey, encrypt_error, poll_pause
from prio_middleware.oauth.shared.store import LONGEST_LEASE, Lease, LeaseReply, StoreEntry
from prio_middleware.oauth.single_flight import Result
from tests.oauth.helpers import Clock, Server, endpoint, play
from tests.oauth.shared.fleet import keyring


def test_one_failure_opens_the_circuit_for_all_callers() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    assert circuit.try_acquire(0)
    circuit.record_failure(0)

    assert not circuit.try_acquire(FIRST_PAUSE - 0.01)
    assert circuit.state(FIRST_PAUSE - 0.01) == "open"
    assert circuit.state(FIRST_PAUSE) == "half_open"


def test_after_the_pause_one_caller_may_try() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    circuit.record_failure(0)
    assert circuit.try_acquire(FIRST_PAUSE)
    assert circuit.state(FIRST_PAUSE) == "half_open"
    assert not circuit.try_acquire(FIRST_PAUSE)
    circuit.record_success()

    assert circuit.state(FIRST_PAUSE) == "closed"
    assert circuit.try_acquire(FIRST_PAUSE)


def test_a_probe_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    circuit.record_failure(0)
    assert circuit.try_acquire(FIRST_PAUSE)

    assert not circuit.try_acquire(FIRST_PAUSE + PROBE_LIMIT - 0.01)
    assert circuit.try_acquire(FIRST_PAUSE + PROBE_LIMIT)


def test_pauses_grow_to_a_limit_and_differ() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    now, pauses = 0.0, []
    for _ in range(20):
        circuit.record_failure(now)
        pauses.append(next(pause for pause in range(1, 100) if circuit.state(now + pause) == "half_open"))
        now += pauses[-1]

    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert pauses[-1] == LONGEST_PAUSE
    early, late = CircuitBreaker(lambda: 0.0), CircuitBreaker(lambda: 0.99)
    early.record_failure(0)
    late.record_failure(0)
    assert early.try_acquire(0.75)
    assert not late.try_acquire(1.2)


def test_simultaneous_failures_extend_the_pause_once() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    assert all(circuit.try_acquire(0) for _ in range(20))
    for _ in range(20):
        circuit.record_failure(0.25)
    assert circuit.try_acquire(0.25 + FIRST_PAUSE)
    circuit.record_failure(2)
    circuit.record_failure(2)

    assert not circuit.try_acquire(2 + 2 * FIRST_PAUSE - 0.01)
    assert circuit.try_acquire(2 + 2 * FIRST_PAUSE)


def test_background_probes_start_at_intervals_from_the_first_failure() -> None:
    circuit = CircuitBreaker(lambda: 0.5)
    assert not circuit.try_acquire_background(0)
    circuit.record_failure(0)
    circuit.record_failure(FIRST_PAUSE)

    assert not circuit.try_acquire_background(BACKGROUND_PAUSE - 0.01)
    assert circuit.try_acquire_background(BACKGROUND_PAUSE)
    assert not circuit.try_acquire_background(2 * BACKGROUND_PAUSE - 0.01)
    assert circuit.try_acquire_background(2 * BACKGROUND_PAUSE)
    circuit.record_success()
    assert not circuit.try_acquire_background(9 * BACKGROUND_PAUSE)


class Leases:
    """Store of one entry that grants every lease, or none.

    Attributes:
        seconds: length of each lease that was requested.
    """

    def __init__(self, *, granted: bool, entry: StoreEntry | None = None) -> None:
        self._granted = granted
        self._entry = entry or StoreEntry()
        self.seconds: list[float] = []

    def drop_and_read(self, name: str, rejected: object) -> StoreEntry:
        return self._entry

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply:
        self.seconds.append(lease.seconds)
        return LeaseReply(self._granted, wait_seconds=100.0)

    def release_lease(self, name: str, lease: Lease) -> bool:
        return True


def request_times(store: Any, left: float, longest: float = LONGEST_LEASE) -> tuple[float, float]:
    """Fetch a token within ``left`` seconds. Return the seconds to its request, and from there to the request's deadline."""
    clock, times = Clock(100.0), list[tuple[float, float]]()

    def request(_endpoint: object, _options: object, deadline_at: float) -> Steps[tuple[Result, None]]:
        times.append((clock.now - 100.0, deadline_at - clock.now))
        yield from ()
        return TokenError("no token"), None

    shared = SharedTokens(store, keyring(), lease=longest, clock=clock, circuit=CircuitBreaker(lambda: 0.5))
    steps = shared.fetch(endpoint(), DEFAULT_OPTIONS, 100.0 + left, request, has_fallback=False, after_rejection=False)
    assert isinstance(play(steps, Server(), clock), TokenError)
    (found,) = times
    return found


def test_a_lease_is_no_longer_than_its_fetch_needs(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float]] = [(30.0, LONGEST_LEASE), (9.0, 10.0), (2.0, 3.0), (0.5, 1.5)]
    for left, expected in rows:
        with subtests.test(left=left, expected=expected):
            store = Leases(granted=True)
            request_times(store, left)
            assert store.seconds == [expected]


def test_a_fetch_is_always_shorter_than_its_lease(subtests: pytest.Subtests) -> None:
    for longest in (0.2, 1.0, 2.0, 10.0, 60.0):
        with subtests.test(longest=longest):
            for left in (0.1, 1.0, 5.0, 9.0, 10.0, 30.0, 600.0):
                store = Leases(granted=True)
                _, seconds = request_times(store, left, longest)
                assert seconds < store.seconds[0]
                assert seconds <= left


def test_of_a_lease_a_second_is_kept_or_half_of_a_short_one(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float]] = [(10.0, 9.0), (3.0, 2.0), (2.0, 1.0), (1.0, 0.5)]
    for lease, expected in rows:
        with subtests.test(lease=lease, expected=expected):
            assert request_times(Leases(granted=True), 100.0, lease) == (0.0, expected)


def test_a_waiter_keeps_time_for_a_fetch_of_its_own(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float]] = [(30.0, 24.0), (20.0, 14.0), (4.0, 2.0), (0.0, 0.0)]
    for left, expected in rows:
        with subtests.test(left=left, expected=expected):
            waited, _ = request_times(Leases(granted=False), left)
            assert expected <= waited < expected + 0.5


def test_a_shared_error_counts_for_the_shorter_of_its_sealed_and_its_stored_time(subtests: pytest.Subtests) -> None:
    clock = Clock(100.0)
    unused: Any = None
    record_key = RecordKey(keyring().names(endpoint(), DEFAULT_OPTIONS)[0], endpoint().url)
    sealed = encrypt_error(keyring(), record_key, TokenEndpointUnavailableError("Later."), 10.0, clock.now)
    rows: list[tuple[float, float]] = [(4.0, 4.0), (0.0, 0.0), (100.0, 10.0), (-0.001, 10.0)]  # The last one has no expiry.
    for stored, expected in rows:
        with subtests.test(stored=stored, expected=expected):
            store: Any = Leases(granted=False, entry=StoreEntry(error=sealed, error_seconds=stored))
            shared = SharedTokens(store, keyring(), clock=clock, unix_clock=clock)
            steps = shared.fetch(endpoint(), DEFAULT_OPTIONS, 130.0, unused, has_fallback=False, after_rejection=False)
            error = play(steps, Server(), clock)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.retry_after == expected


def test_polls_grow_rarer_differ_and_end_with_the_lease() -> None:
    pauses = [poll_pause(number, 100.0, 0.99) for number in range(100)]

    assert pauses == sorted(pauses)
    assert 0.04 < pauses[0] < 0.051
    assert 0.49 < pauses[-1] <= 0.5
    assert poll_pause(5, 100.0, 0.0) < poll_pause(5, 100.0, 0.9)
    assert [poll_pause(number, 100.0, 1.0) for number in range(4)] == pytest.approx([0.05, 0.075, 0.1125, 0.16875])
    assert poll_pause(50, 0.01, 0.5) == pytest.approx(0.01 + 0.05 * 0.75)


def test_rejected_token_ids_are_reported_until_their_tokens_would_have_expired() -> None:
    refused = RejectedTokens()
    refused.record_name("a", "name")
    refused.record_name("b", "other")
    refused.add("a", 110.0)
    refused.add("b", 105.0)
    refused.add("unknown", 110.0)

    assert refused.remaining("name", 100.0) == {"a": 10.0}
    assert refused.remaining("other", 100.0) == {"b": 5.0}
    assert refused.remaining("other", 105.0) == {}
    assert refused.remaining("name", 105.0) == {"a": 5.0}


def test_the_newest_rejected_token_ids_are_remembered() -> None:
    refused = RejectedTokens()
    token_ids = [str(number) for number in range(REJECTED_IDS_LIMIT + 2)]
    for token_id in token_ids:
        refused.record_name(token_id, "name")
        refused.add(token_id, float("inf"))

    assert refused.remaining("name", 0.0) == dict.fromkeys(token_ids[2:], LONGEST_REJECTION)


def test_a_rejected_token_is_reported_as_long_as_its_name_is_among_the_newest() -> None:
    refused = RejectedTokens()
    for token_id in ("oldest", "next"):
        refused.record_name(token_id, "name")
        refused.add(token_id, float("inf"))
    for number in range(SHARED_NAMES_LIMIT - 1):
        refused.record_name(str(number), "other")

    assert refused.remaining("name", 0.0) == {"next": LONGEST_REJECTION}
