"""Tokens that several processes share, with each schedule of their steps written by hand."""

from __future__ import annotations

import logging
import math
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import (
    AccessToken,
    ConfigurationError,
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenOptions,
    TokenRequestRefusedError,
    TokenUnchangedError,
)
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.attempts import RESTART_SECONDS
from prio_middleware.oauth.effects import Pause, Post, RunBlocking, no_threads
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.records import SKEW, RecordKey, SharedToken, decrypt_token
from prio_middleware.oauth.shared.store import LONGEST_LEASE, LeaseReply
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth.helpers import URL, Clock, answer, endpoint, refused, token
from tests.oauth.shared.fleet import KEY, OTHER_KEY, FakeStore, Fleet, Kept, Process, Run, in_turn, keyring, other_endpoint

ROOT = Path(__file__).resolve().parents[3]
LOST = TokenResponse(failure="ConnectError: refused")
BOOKING = TokenOptions(scope="booking")


def values(*tokens: AccessToken) -> set[str]:
    return {token.value.reveal() for token in tokens}


def test_the_second_process_takes_the_token_of_the_first() -> None:
    fleet = Fleet(token(1000, scope="booking"))
    first, second = fleet.processes(2)
    led, adopted = first.token(), second.token()

    assert fleet.requests == 1
    assert led.value == adopted.value
    assert (led.source, adopted.source) == ("endpoint", "shared")
    assert (adopted.scope, adopted.token_type, adopted.lifetime) == ("booking", led.token_type, led.lifetime)
    assert second.tokens.current(BOOKING._replace(scope=None), None) is adopted


def test_each_process_presents_a_shared_token_as_its_own_settings_say() -> None:
    fleet = Fleet(token(1000, token_type="jwt"))
    first, second, third = fleet.processes(3)
    for process, scheme in ((first, "JWT"), (second, "Token")):
        process.tokens.replace_credentials(replace(process.tokens.endpoint, token_scheme=scheme))
    led, adopted = first.token(), second.token()

    assert fleet.requests == 1
    assert (led.token_type, adopted.token_type) == ("JWT", "Token")
    assert isinstance(third.get(), InvalidTokenResponseError)  # Without a configured scheme, only Bearer tokens are used.


@pytest.mark.pitfall(id="fleet-stampede")
def test_fifty_processes_that_start_in_one_moment_make_one_token_request() -> None:
    fleet = Fleet(token(1000), token(1000))
    results = list(in_turn([process.steps() for process in fleet.processes(50)]))

    assert fleet.requests == 1
    assert len(values(*(result for result in results if isinstance(result, AccessToken)))) == 1


def test_the_steady_state_makes_no_store_operation() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    process.token()
    before = len(fleet.store.asked)
    for _ in range(100):
        process.token()

    assert len(fleet.store.asked) == before == 3  # read, acquire_lease, publish_token


def test_the_remaining_lifetime_is_that_of_the_store_from_before_the_read() -> None:
    fleet = Fleet(token(1000))
    first, second = fleet.processes(2)
    led = first.token()
    fleet.clock.now += 500
    run = second.steps()
    run.until(RunBlocking)
    fleet.clock.now += 3  # the duration of the read
    adopted = run.finish()

    assert isinstance(adopted, AccessToken)
    assert adopted.expires_at == pytest.approx(led.expires_at - 3)
    assert adopted.fresh_until == pytest.approx(adopted.expires_at - 30)


def test_a_store_that_would_keep_a_token_too_long_does_not_make_it_live_longer() -> None:
    fleet = Fleet(token(1000))
    fleet.process().token()
    record = fleet.only_slot.record
    assert record is not None
    record.until += 300  # a replica whose clock is five minutes behind

    assert fleet.process().token().expires_at == pytest.approx(fleet.clock.now + 1000)


def test_no_process_takes_a_token_for_longer_than_its_own_settings_say() -> None:
    fleet = Fleet(token(1000))
    fleet.process().token()
    cautious = fleet.process(endpoint=replace(endpoint(), expiry=ExpiryPolicy(max_lifetime=100, jitter=0.0)))
    adopted = cautious.token()

    assert adopted.source == "shared"
    assert adopted.expires_at - fleet.clock.now == pytest.approx(100)


def test_a_token_whose_leeway_begins_now_is_not_taken_any_more() -> None:
    fleet = Fleet(token(1000), token(1000), takes=0.0)
    first, second = fleet.processes(2)
    first.token()
    fleet.clock.now += 970

    assert second.token().source == "endpoint"


def test_what_is_sealed_names_the_token_endpoint_it_is_from() -> None:
    fleet = Fleet(token(1000))
    fleet.process().token()
    (name,) = fleet.store.slots
    record = fleet.only_slot.record
    assert record is not None

    assert isinstance(decrypt_token(keyring(), RecordKey(name, URL), record.value, fleet.clock.now), SharedToken)


def test_a_token_inside_its_leeway_is_replaced_by_one_process_for_all() -> None:
    fleet = Fleet(token(1000), token(1000))
    processes = fleet.processes(5)
    before = [process.token() for process in processes]
    fleet.clock.now += 975
    results = list(in_turn([process.steps() for process in processes]))

    assert fleet.requests == 2
    assert len(values(*(result for result in results if isinstance(result, AccessToken))) | values(*before)) == 2


@pytest.mark.pitfall(id="fleet-revocation")
def test_a_rejected_token_is_replaced_once_for_all_processes() -> None:
    fleet = Fleet(token(1000), token(1000), token(1000))
    processes = fleet.processes(20)
    old = [process.token() for process in processes]
    for process, refused_token in zip(processes, old, strict=True):
        process.tokens.invalidate(refused_token)
    runs = [process.steps(rejected=rejected) for process, rejected in zip(processes, old, strict=True)]
    new = list(in_turn(runs))

    assert fleet.requests == 2
    assert values(*old).isdisjoint(values(*(result for result in new if isinstance(result, AccessToken))))


@pytest.mark.pitfall(id="fleet-revocation")
def test_a_process_whose_token_is_rejected_later_needs_one_read() -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    a, b = first.token(), second.token()
    renewed = first.after_rejection_of(a)
    fleet.store.asked.clear()
    adopted = second.after_rejection_of(b)

    assert adopted.value == renewed.value
    assert fleet.store.asked == ["read"]
    assert fleet.requests == 2


def test_a_process_that_adopted_a_token_can_drop_it_for_all() -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    first.token()
    adopted = second.token()
    new = second.after_rejection_of(adopted)

    assert fleet.only_slot.dropped == {adopted.token_id}
    assert first.token().value == new.value
    assert fleet.requests == 2


@pytest.mark.pitfall(id="late-writer")
def test_a_dropped_token_does_not_come_back_with_a_late_writer() -> None:
    fleet = Fleet(token(1000), token(1000))
    first = fleet.process()
    old = first.token()
    record = fleet.only_slot.record
    first.tokens.invalidate(old)
    run = first.steps(rejected=old)
    run.until(Post)
    fleet.only_slot.record = record  # an isolated master returns, or a replica missed the drop
    run.finish()

    assert fleet.process().token().value != old.value


def test_a_dropped_token_that_a_failover_brings_back_is_dropped_again() -> None:
    fleet = Fleet(token(1000), token(1000), token(1000))
    first = fleet.process()
    old = first.token()
    record = fleet.only_slot.record
    new = first.after_rejection_of(old)
    fleet.only_slot.record = record
    fleet.only_slot.dropped.clear()
    newest = first.after_rejection_of(new)

    assert newest.value not in (old.value, new.value)
    assert fleet.requests == 3


def test_a_rejected_token_that_is_not_shared_is_not_reported() -> None:
    fleet = Fleet(token(1000), token(1000))
    process = fleet.process()
    fleet.store.down = "ConnectionError"
    alone = process.token()
    process.tokens.invalidate(alone)
    fleet.store.down = None
    fleet.clock.now += 60
    process.token(rejected=alone)

    assert fleet.only_slot.dropped == set()


@pytest.mark.pitfall(id="fleet-revocation")
def test_of_tokens_revoked_together_none_replaces_another() -> None:
    fleet = Fleet(*[token(1000) for _ in range(5)])
    first, second, new = fleet.processes(3)
    fleet.store.down = "ConnectionError"
    own = [first.token(), second.token()]
    fleet.store.down = None
    fleet.clock.now += 60
    shared = new.token()
    new.tokens.listen()
    a = first.after_rejection_of(own[0])
    b = second.after_rejection_of(own[1])

    assert a.value == b.value != shared.value
    assert new.token().value == a.value  # The store announced the dropped token.
    assert fleet.requests == 4


@pytest.mark.pitfall(id="fleet-revocation")
def test_while_one_token_replaces_another_a_rejection_of_the_old_one_applies_to_both() -> None:
    fleet = Fleet(token(1000), token(1000), token(1000))
    early, late = fleet.processes(2)
    early.tokens.listen()
    early.token()
    old = late.token()
    fleet.clock.now += 975
    due = early.token()
    newest = late.after_rejection_of(old)

    assert len(values(old, due, newest)) == 3
    assert early.token().value == newest.value
    assert fleet.requests == 3


def test_a_second_suspect_token_is_replaced_without_another_read() -> None:
    fleet = Fleet(*[token(1000) for _ in range(5)])
    process, first, second = fleet.processes(3)
    process_has = process.token()
    process.tokens.invalidate(process_has)
    fleet.store.slots.clear()
    first.token()
    run = process.steps(rejected=process_has)
    assert run.step()  # has read a suspect token
    fleet.store.slots.clear()
    second.token()
    fleet.store.asked.clear()
    result = run.finish()

    assert isinstance(result, AccessToken)
    assert result.source == "endpoint"
    assert fleet.store.asked == ["read", "acquire_lease", "publish_token"]
    assert fleet.process().token().value == result.value


def test_other_processes_learn_of_a_dropped_token_without_a_rejection_of_their_own() -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    second.tokens.listen()
    a, b = first.token(), second.token()
    new = first.after_rejection_of(a)

    assert second.tokens.current(BOOKING._replace(scope=None), None) is None
    assert second.token().value == new.value != b.value


def test_a_drop_is_published_though_the_store_has_no_record() -> None:
    fleet = Fleet(token(1000), token(1000))
    first, second = fleet.processes(2)
    second.tokens.listen()
    a, _ = first.token(), second.token()
    fleet.store.slots.clear()
    first.after_rejection_of(a)

    assert second.tokens.current(BOOKING._replace(scope=None), None) is None


def test_the_drop_of_another_token_has_no_effect() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    process.tokens.listen()
    kept = process.token()
    fleet.store.listeners[0]("0" * 32)

    assert process.token() is kept


def test_before_a_fork_there_is_no_listener() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    with no_threads():
        process.tokens.listen()
        process.token()
    assert fleet.store.listeners == []

    process.tokens.listen()
    assert len(fleet.store.listeners) == 1


# The lease


@pytest.mark.pitfall(id="dead-leader")
def test_a_leader_that_dies_is_replaced_when_its_lease_runs_out() -> None:
    fleet = Fleet(token(1000), token(1000))
    dead = fleet.process().steps()
    dead.until(Post)  # its process dies here
    start = fleet.clock.now
    others = list(in_turn([process.steps() for process in fleet.processes(3)]))

    assert fleet.requests == 1
    assert len(values(*(result for result in others if isinstance(result, AccessToken)))) == 1
    assert fleet.clock.now - start < LONGEST_LEASE + 2  # pauses of all three, one after the other


def test_a_leader_that_lost_its_lease_keeps_its_token_to_itself() -> None:
    fleet = Fleet(token(1000), token(1000))
    slow, quick = fleet.processes(2)
    run = slow.steps()
    run.until(Post)
    fleet.clock.now += LONGEST_LEASE + 1
    published = quick.token()
    own = run.finish()

    assert isinstance(own, AccessToken)
    assert own.value != published.value
    assert fleet.process().token().value == published.value
    assert slow.tokens.store_report().not_stored == 1


def test_the_whole_fetch_is_shorter_than_the_lease() -> None:
    fleet = Fleet(LOST, takes=1.0)
    run = fleet.process().steps()
    run.until(Post)
    lease = fleet.only_slot.lease
    assert lease is not None
    while fleet.only_slot.lease is lease:
        if isinstance(run.effect, Post):
            assert fleet.clock.now + run.effect.request.total_seconds < lease[1]
        assert run.step()
    assert fleet.clock.now < lease[1]


def test_a_fetch_that_only_the_lease_cut_short_goes_on_until_its_deadline() -> None:
    fleet = Fleet(*[LOST] * 6, token(1000), takes=1.0)

    assert isinstance(fleet.process().get(), AccessToken)
    assert fleet.clock.now - 1000 > LONGEST_LEASE


@pytest.mark.pitfall(id="lease-after-lease")
def test_a_fetch_that_is_not_retried_is_not_made_again_under_another_lease() -> None:
    """After a fetch that failed with all its retries, the next one is a single attempt."""
    fleet = Fleet(*[LOST] * 100)
    process = fleet.process()
    assert isinstance(process.get(), TokenEndpointUnavailableError)
    fleet.clock.now += 60.0
    before = fleet.requests

    assert isinstance(process.get(), TokenEndpointUnavailableError)
    assert fleet.requests == before + 1


@pytest.mark.pitfall(id="lease-after-lease")
def test_pauses_between_attempts_grow_from_one_lease_to_the_next() -> None:
    """However short the leases are, an outage ends no sooner for it."""
    counts = list[int]()
    for lease in (LONGEST_LEASE, 2.0, 1.0):
        fleet = Fleet(*[LOST] * 100)
        assert isinstance(fleet.process(lease=lease).get(), TokenEndpointUnavailableError)
        counts.append(fleet.requests)

    assert max(counts) <= 12


def test_a_retry_under_another_lease_is_reported_as_one() -> None:
    fleet = Fleet(*[LOST] * 5)
    run = fleet.process(lease=1.0).steps()
    pauses = list[Pause]()
    while fleet.requests < 5 and run.step():
        pauses += [run.effect] if isinstance(run.effect, Pause) else []

    assert len(pauses) >= 4
    for pause in pauses:
        assert isinstance(pause.failure, TokenEndpointUnavailableError)
        assert 0 < pause.give_up_seconds <= 30


@pytest.mark.pitfall(id="lease-after-lease")
def test_a_refused_connection_is_retried_for_seconds_only_whatever_the_lease() -> None:
    refused_connection = TokenResponse(failure="ConnectError", cause="connection_refused")
    fleet = Fleet(*[refused_connection] * 100)

    assert isinstance(fleet.process(lease=2.0).get(), TokenEndpointUnavailableError)
    assert fleet.clock.now - 1000 < RESTART_SECONDS + 1.0


def test_retry_after_ends_the_wait_before_the_longest_lease() -> None:
    """All processes observe it, however short it is."""
    fleet = Fleet(*[answer(503, retry_after="1")] * 40, takes=1.0)

    assert isinstance(fleet.process().get(), TokenEndpointUnavailableError)
    assert fleet.clock.now - 1000 < LONGEST_LEASE


def test_a_cancelled_leader_gives_its_lease_back() -> None:
    fleet = Fleet(token(1000))
    run = fleet.process().steps()
    run.until(Post)
    run.cancel()
    for thread in threading.enumerate():
        if thread.name == "prio_middleware.release":
            thread.join()

    assert fleet.only_slot.lease is None


@pytest.mark.parametrize(("options", "seconds"), [({"deadline_seconds": 4.0}, 5.0), ({"lease": 3.0}, 3.0)])
def test_a_lease_is_made_for_its_fetch_and_no_longer_than_it_may_be(options: dict[str, Any], seconds: float) -> None:
    fleet = Fleet(token(1000))
    run = fleet.process(**options).steps()
    run.until(Post)
    lease = fleet.only_slot.lease

    assert lease is not None
    assert lease[0].seconds == seconds


def test_a_lease_that_is_given_back_late_is_not_the_next_one_of_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[threading.Thread] = []
    fleet = Fleet(token(1000))
    process = fleet.process()
    cancelled = process.steps()
    cancelled.until(Post)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: late.append(self))  # noqa: PLW0108 - a list's method would not get the thread
        cancelled.cancel()
    again = process.steps()
    again.until(Post)
    (release_lease,) = late
    release_lease.run()

    assert fleet.only_slot.lease is not None


def test_threads_of_a_provider_have_names_and_keep_no_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, bool]] = []
    fleet = Fleet(token(1000))
    process = fleet.process()
    run = process.steps()
    run.until(Post)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append((thread.name, thread.daemon)))
    run.cancel()
    fleet.store.down = "ConnectionError"
    process.token()
    fleet.clock.now += 10
    process.tokens.store_report()

    assert started == [("prio_middleware.release", True), ("prio_middleware.probe", True)]


def test_the_lease_of_a_cancelled_caller_is_released() -> None:
    fleet = Fleet(token(1000))
    run = fleet.process().steps()
    assert run.step()
    assert isinstance(run.effect, RunBlocking)
    assert run.effect.operation() == LeaseReply(granted=True)  # The caller is cancelled before it gets this reply.
    run.cancel()
    for thread in threading.enumerate():
        if thread.name == "prio_middleware.release":
            thread.join()

    assert fleet.only_slot.lease is None


def test_where_no_thread_can_be_started_the_lease_runs_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    fleet = Fleet(token(1000))
    process = fleet.process()
    run = process.steps()
    run.until(Post)
    monkeypatch.setattr(threading.Thread, "start", no_more)
    run.cancel()

    assert fleet.only_slot.lease is not None
    process.token()  # a process may take over its own lease
    assert fleet.requests == 1
    with pytest.raises(ConfigurationError):
        process.get(TokenOptions(params=(("scope", "x"),)))


def test_while_the_interpreter_ends_the_lease_runs_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(token(1000))
    run = fleet.process().steps()
    run.until(Post)
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    run.cancel()

    assert fleet.only_slot.lease is not None


def test_a_request_that_cannot_be_made_gives_its_lease_back() -> None:
    fleet = Fleet(token(1000))
    with pytest.raises(ConfigurationError):
        fleet.process().get(TokenOptions(params=(("scope", "x"),)))
    for thread in threading.enumerate():
        if thread.name == "prio_middleware.release":
            thread.join()

    assert fleet.only_slot.lease is None


def test_a_lease_used_by_another_process_between_read_and_lease_is_noticed() -> None:
    fleet = Fleet(token(1000), token(1000))
    slow, quick = fleet.processes(2)
    run = slow.steps()
    assert run.step()  # has read an empty entry
    published = quick.token()
    result = run.finish()

    assert isinstance(result, AccessToken)
    assert result.value == published.value
    assert fleet.requests == 1


def test_a_waiting_process_reads_again_with_growing_pauses() -> None:
    fleet = Fleet(token(1000))
    leader, waiting = (process.steps() for process in fleet.processes(2))
    leader.until(Post)
    pauses: list[float] = []
    for _ in range(4):
        pauses.append(waiting.until(Pause).seconds)
        waiting.step()

    assert pauses == pytest.approx([0.0375, 0.05625, 0.084375, 0.1265625])


def test_a_process_that_waits_too_long_fetches_for_itself() -> None:
    fleet = Fleet(token(1000))
    waiting = fleet.process(deadline_seconds=4.0)
    leader = fleet.process().steps()
    leader.until(Post)

    assert waiting.token().source == "endpoint"
    assert 2 <= fleet.clock.now - 1000 <= 4
    assert waiting.tokens.store_report().fallbacks == 1


@pytest.mark.pitfall(id="dead-leader")
def test_a_process_with_a_token_does_not_fetch_beside_a_slow_or_dead_leader() -> None:
    fleet = Fleet(token(1000))
    first, second = fleet.processes(2)
    kept = [first.token(), second.token()][1]
    fleet.clock.now += 975
    leader = first.steps()
    leader.until(Post)

    assert second.token() is kept
    assert fleet.requests == 1
    assert second.tokens.store_report().fallbacks == 0

    fleet.clock.now += 11  # The lease is over, and so is the pause after a failure.
    assert second.token().serial > kept.serial
    assert fleet.requests == 2


def test_why_the_token_that_is_kept_was_not_replaced_is_known() -> None:
    fleet = Fleet(token(1000))
    first, second = fleet.processes(2)
    first.token()
    second.token()
    fleet.clock.now += 975
    leader = first.steps()
    leader.until(Post)
    second.token()
    failure = second.tokens.report().failure

    assert failure is not None
    assert (failure.message, failure.client, failure.url) == (
        "Timed out waiting for another process to fetch the token.", "shop", URL,
    )  # fmt: skip


def test_without_any_time_left_no_leader_is_waited_for() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process(deadline_seconds=0.0)
    process.get()

    assert fleet.store.asked == []


def test_only_one_caller_of_a_process_waits_in_the_store() -> None:
    fleet = Fleet(token(1000))
    leader = fleet.process().steps()
    leader.until(Post)
    process = fleet.process()
    first, second = process.steps(), process.steps()
    first.until(Pause)

    assert not isinstance(second.effect, RunBlocking | Pause)


def test_a_child_has_another_owner_id(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    run = process.steps()
    run.until(Post)
    monkeypatch.setattr("os.getpid", lambda: -1)
    child = process.steps()
    child.until(Pause)

    assert fleet.requests == 0


# Tokens that cannot be shared.


def test_a_token_without_a_lifetime_is_shared_for_its_second() -> None:
    fleet = Fleet(token(0))
    first, second = fleet.processes(2)
    first.token()
    second.token()

    assert fleet.requests == 1
    assert fleet.only_slot.lease is None


def test_other_credentials_scopes_and_servers_have_other_tokens() -> None:
    fleet = Fleet(token(1000), token(1000), token(1000), token(1000))
    elsewhere = TokenEndpoint("https://elsewhere.example/token", other_endpoint("s3cret!").auth, client="shop")
    fleet.process().token()
    fleet.process().token(BOOKING)
    fleet.process(endpoint=other_endpoint("another secret")).token()
    fleet.process(endpoint=elsewhere).token()

    assert fleet.requests == len(fleet.store.slots) == 4


# Errors of the token endpoint


@pytest.mark.pitfall(id="fleet-wrong-credentials")
def test_processes_share_the_error_of_refused_credentials() -> None:
    fleet = Fleet(refused("invalid_client", 401))
    results = list(in_turn([process.steps() for process in fleet.processes(10)]))

    assert fleet.requests == 1
    assert all(isinstance(result, CredentialsRefusedError) for result in results)
    shared = next(result for result in results if isinstance(result, TokenError) and "another process" in str(result))
    assert (shared.code, shared.status_code, shared.client, shared.retry_after) == ("invalid_client", 401, "shop", None)


def test_processes_share_a_short_cooldown() -> None:
    fleet = Fleet(refused("invalid_client", 401))
    first, second = fleet.processes(2, failure_cooldown=1.0)
    first.get()
    second.get()

    assert fleet.requests == 1
    assert [seen.operation for seen in first.seen] == ["read", "acquire_lease", "publish_error"]


def test_shared_errors_are_counted() -> None:
    fleet = Fleet(refused("invalid_client", 401))
    first, second = fleet.processes(2)
    for _ in range(2):
        first.get()
        second.get()
        fleet.clock.now += 10.1

    assert (first.tokens.store_report().errors, second.tokens.store_report().errors) == (0, 2)


def test_the_circuit_is_that_of_all_users_of_a_store_or_a_new_one() -> None:
    store, opened = FakeStore(Clock()), CircuitBreaker()
    opened.record_failure(store.clock.now)

    assert SharedTokens(store, keyring(), circuit=opened, clock=store.clock).report().circuit == "open"
    assert SharedTokens(store, keyring(), clock=store.clock).report().circuit == "closed"


def test_a_fetch_that_had_all_its_time_is_not_made_again() -> None:
    fleet = Fleet(LOST)
    process = fleet.process(deadline_seconds=4.0)
    process.get()

    assert process.tokens.store_report().fallbacks == 0


@pytest.mark.pitfall(id="fleet-wrong-credentials")
def test_an_error_published_between_read_and_lease_is_noticed() -> None:
    fleet = Fleet(refused("invalid_client", 401), refused("invalid_client", 401))
    slow, quick = fleet.processes(2)
    run = slow.steps()
    assert run.step()  # has read an empty entry
    quick.get()

    assert isinstance(run.finish(), CredentialsRefusedError)
    assert fleet.requests == 1


def test_refused_credentials_are_tried_again_after_a_while() -> None:
    fleet = Fleet(refused("invalid_client", 401), token(1000))
    first, second = fleet.processes(2)
    first.get()
    fleet.clock.now += 10.1

    assert second.token().source == "endpoint"
    assert fleet.process().token().source == "shared"
    assert fleet.only_slot.error is None


@pytest.mark.pitfall(id="store-values")
def test_an_error_counts_until_its_sealed_time_however_long_it_is_stored_or_restored(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(refused("invalid_client", 401), token(1000), token(1000))
    first, second = fleet.processes(2)
    first.get()
    kept = fleet.only_slot.error
    assert kept is not None
    kept.until = 5000.0  # a replica whose clock is behind
    assert isinstance(second.get(), CredentialsRefusedError)
    fleet.clock.now += 10.0 + SKEW

    assert second.token().source == "endpoint"
    fleet.only_slot.record, fleet.only_slot.error = None, kept  # written back
    fleet.clock.now += 980

    assert second.token().source == "endpoint"
    assert "is not used: it has expired: an old record was written back, or" in caplog.text
    assert fleet.requests == 3


@pytest.mark.pitfall(id="store-values")
def test_any_number_of_recorded_errors_that_are_written_back_stops_no_call() -> None:
    fleet = Fleet(*[refused("invalid_client", 401)] * 100, token(1000))
    recorded: list[Kept] = []
    for _ in range(100):
        fleet.process().get()
        error, fleet.only_slot.error = fleet.only_slot.error, None
        assert error is not None
        recorded.append(error)
    fleet.clock.now += 10.0 + SKEW

    for error in recorded * 2:  # The attacker writes one after the other.
        error.until = math.inf
        fleet.only_slot.record, fleet.only_slot.error = None, error
        assert fleet.process().token().source == "endpoint"


def test_a_token_that_is_kept_or_restored_ends_at_its_sealed_time() -> None:
    fleet = Fleet(token(1000), token(1000))
    fleet.process().token()
    kept = fleet.only_slot.record
    assert kept is not None
    kept.until = math.inf  # As after PERSIST.
    fleet.clock.now += 900
    taken = fleet.process().token()
    assert (taken.source, taken.expires_at <= 2000 + SKEW) == ("shared", True)

    fleet.clock.now += 100 + SKEW
    assert fleet.process().token().source == "endpoint"


def test_a_process_with_a_wrong_clock_fetches_its_own_tokens(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(token(1000))
    wrong = fleet.process(unix_clock=lambda: fleet.clock.now - 3600)
    assert fleet.process().token().source == "endpoint"

    assert wrong.token().source == "endpoint"
    assert "it was sealed in the future" in caplog.text
    assert fleet.process(unix_clock=lambda: fleet.clock.now - SKEW).token().source == "endpoint"
    assert fleet.process(unix_clock=lambda: fleet.clock.now + 2 * SKEW).token().source == "shared"


def test_new_credentials_go_before_shared_errors_of_the_old_ones() -> None:
    fleet = Fleet(refused("invalid_client", 401), token(1000))
    new = iter([other_endpoint("new")])

    def credentials_source(*, force: bool) -> TokenEndpoint | None:
        return next(new, None) if force else None

    fleet.process().get()
    rotated = fleet.process(credentials_source=credentials_source)

    assert rotated.token().source == "endpoint"
    assert fleet.requests == 2
    assert fleet.process(endpoint=other_endpoint("new")).token().source == "shared"


def test_when_the_server_says_to_come_back_later_the_whole_fleet_does() -> None:
    fleet = Fleet(answer(503, retry_after="40"), token(1000))
    results = list(in_turn([process.steps() for process in fleet.processes(3)]))

    assert fleet.requests == 1
    waits = [result.retry_after for result in results if isinstance(result, TokenEndpointUnavailableError)]
    assert [wait for wait in waits if wait and 30 < wait < 40.1] == waits
    assert len(waits) == 3


def test_what_is_wrong_with_one_request_is_not_told_to_others() -> None:
    fleet = Fleet(refused("invalid_scope"), token(1000))
    first, second = fleet.processes(2)

    assert isinstance(first.get(), TokenRequestRefusedError)
    assert fleet.only_slot.lease is None
    assert [seen.operation for seen in first.seen] == ["read", "acquire_lease", "release_lease"]
    assert second.token().source == "endpoint"


# Faults of the store.


@pytest.mark.pitfall(id="store-down")
def test_without_the_store_everyone_fetches_for_himself() -> None:
    fleet = Fleet(token(1000), token(1000))
    fleet.store.down = "ConnectionError"
    first, second = fleet.processes(2)

    assert values(first.token(), second.token()) == values(first.token(), second.token())
    assert fleet.requests == 2
    report = first.tokens.store_report()
    assert (report.reachable, report.circuit, report.fallbacks, report.last_failure) == (False, "open", 1, "ConnectionError")


@pytest.mark.parametrize("operation", ["read", "acquire_lease", "publish_token"])
def test_a_store_that_fails_at_any_moment_costs_nothing_but_sharing(operation: str) -> None:
    fleet = Fleet(token(1000), token(1000))
    run = fleet.process().steps()
    while fleet.store.asked[-1:] != [operation] and run.result is None:
        fleet.store.down = "TimeoutError" if _is_next(run, operation, fleet) else None
        run.step()
    result = run.result or run.finish()

    assert isinstance(result, AccessToken)
    assert fleet.requests == 1


def _is_next(run: Run, operation: str, fleet: Fleet) -> bool:
    order = ["read", "acquire_lease", "publish_token"]
    return isinstance(run.effect, RunBlocking) and order[len(fleet.store.asked)] == operation


def test_a_circuit_keeps_callers_away_and_sharing_returns(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(*[token(10) for _ in range(30)])
    process = fleet.process()
    fleet.store.down = "ConnectionError"
    with caplog.at_level(logging.INFO, "prio_middleware"):
        process.token()
        fleet.clock.now += 0.5
        process.token(rejected=process.token())
        assert fleet.store.asked == ["read"]
        fleet.store.down = None
        fleet.clock.now += 40
        process.token()

    assert fleet.process().token().source == "shared"
    assert process.tokens.store_report().circuit == "closed"
    fields = [vars(record) for record in caplog.records if "shared token store" in record.message]
    assert [(line["prio_event"], line["levelname"], line.get("prio_failures")) for line in fields] == [
        ("store_unavailable", "WARNING", None),
        ("store_available", "WARNING", 1),
    ]
    assert [(line["prio_client"], "'default'" in line["message"]) for line in fields] == [("default", True)] * 2
    assert "ConnectionError" in fields[0]["message"]


def probed(process: Process) -> str:
    """Return the state of the circuit in a report, after any probe that an earlier report started."""
    process.tokens.store_report()
    for thread in threading.enumerate():
        if thread.name == "prio_middleware.probe":
            thread.join(10)
    return process.tokens.store_report().circuit


def test_reports_find_out_that_the_store_is_back_without_a_call() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    fleet.store.down = "ConnectionError"
    process.token()
    fleet.clock.now += 10
    assert [probed(process) for _ in range(5)][-1] != "closed"
    assert fleet.store.asked == ["read"] * 2  # One probe in 10 s.
    fleet.store.down = None
    fleet.clock.now += 9
    assert probed(process) != "closed"
    fleet.clock.now += 1
    assert probed(process) == "closed"
    fleet.clock.now += 10
    probed(process)
    assert fleet.store.asked == ["read"] * 3
    assert fleet.store.slots.keys() == {"probe"}  # A probe reads no token.


@pytest.mark.pitfall(id="store-down")
def test_a_caller_with_little_time_does_not_read_again() -> None:
    fleet = Fleet(token(1000), token(1000))
    leader = fleet.process().steps()
    leader.until(Post)
    waiter = fleet.process(deadline_seconds=1.0).steps()
    waiter.until(Pause)
    waiter.step()
    fleet.store.down = "TimeoutError"

    assert waiter.until(Post).request.total_seconds > 0


@pytest.mark.parametrize(("back", "source", "requests"), [(True, "shared", 1), (False, "endpoint", 2)])
def test_a_caller_that_waits_for_a_leader_reads_once_more_after_a_failure(back: bool, source: str, requests: int) -> None:
    fleet = Fleet(token(1000), token(1000))
    leader = fleet.process().steps()
    leader.until(Post)
    waiting = fleet.process().steps()
    waiting.until(Pause)
    fleet.store.down = "TimeoutError"
    waiting.step()
    assert waiting.step()
    waiting.until(Pause)
    fleet.store.down = None
    leader.finish()
    fleet.store.down = None if back else "TimeoutError"
    result = waiting.finish()
    assert fleet.clock.now - 1000 < 3

    assert isinstance(result, AccessToken)
    assert (result.source, fleet.requests) == (source, requests)


def test_a_store_that_stays_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(*[token(10) for _ in range(5)])
    process = fleet.process()
    fleet.store.down = "ConnectionError"
    for _ in range(5):
        process.token()
        fleet.clock.now += 60

    assert fleet.store.asked == ["read"] * 5
    assert len(caplog.records) == 1
    report = process.tokens.store_report()
    assert (report.failures, report.fallbacks, report.last_failure) == (5, 5, "ConnectionError")


def test_every_operation_is_told_of() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process()
    process.token()
    fleet.store.down = "TimeoutError"
    fleet.clock.now += 2000
    process.token()

    assert [(seen.operation, seen.failure) for seen in process.seen] == [
        ("read", None),
        ("acquire_lease", None),
        ("publish_token", None),
        ("read", "TimeoutError"),
    ]


def test_the_duration_of_an_operation_is_reported() -> None:
    fleet = Fleet(token(1000))
    fleet.store.reading = 0.25
    process = fleet.process()
    process.token()

    assert [(seen.operation, seen.seconds) for seen in process.seen][:2] == [("read", 0.25), ("acquire_lease", 0.0)]


@pytest.mark.pitfall(id="store-values")
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("poisoned", "no configured encryption key decrypts it"),
        ("empty", "no configured encryption key decrypts it"),
        ("swapped", "it was sealed for another token or token endpoint"),
        ("of another generation", "its token id does not match"),
    ],
)
def test_a_value_that_no_key_opens_is_a_miss_and_a_warning(kind: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(token(1000), token(1000), token(1000))
    process = fleet.process()
    process.token()
    (name,) = fleet.store.slots
    own = fleet.only_slot.record
    assert own is not None
    process.token(BOOKING)
    (other,) = (slot.record for key, slot in fleet.store.slots.items() if key != name)
    assert other is not None
    fleet.store.slots[name].record = {
        "poisoned": Kept(b"f" * 32 + b"nonsense", own.until),
        "empty": Kept(b"", own.until),
        "swapped": other,
        "of another generation": Kept(b"f" * 32 + own.value[32:], own.until),
    }[kind]

    assert fleet.process().token().source == "endpoint"
    assert fleet.process().token().source == "shared"  # the new token replaced the bad record
    (said,) = caplog.records
    assert said.getMessage() == (
        f"A record in the shared token store is not used: {why}. Its name begins with {name[:8]}; it counts as missing."
    )
    assert (vars(said)["prio_event"], vars(said)["prio_client"]) == ("store_record_not_used", "shop")
    assert "nonsense" not in caplog.text


def test_an_error_that_no_key_opens_is_none(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(token(1000))
    fleet.process().token()
    fleet.only_slot.record, fleet.only_slot.error = None, Kept(b"made up", fleet.clock.now + 100)

    assert fleet.process().token().source == "endpoint"
    assert "is not used: no configured encryption key decrypts it." in caplog.text


def test_keys_are_replaced_without_a_request_more() -> None:
    fleet = Fleet(token(1000), token(1000))
    old, both, promoted, new = (
        fleet.process(keyring(*keys)) for keys in [(KEY,), (KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)]
    )
    assert len(values(old.token(), both.token(), promoted.token())) == 1
    assert fleet.requests == 1
    fleet.clock.now += 2000
    assert len(values(promoted.token(), both.token(), new.token())) == 1
    assert fleet.requests == 2


def test_a_due_token_under_the_old_key_does_not_keep_the_next_one_from_the_new_key() -> None:
    fleet = Fleet(token(1000), token(1000))
    fleet.process().token()
    fleet.clock.now += 975
    rotated = fleet.process(keyring(OTHER_KEY, KEY))

    assert rotated.token().source == "endpoint"
    assert rotated.tokens.store_report().fallbacks == 0


def test_another_key_means_another_fleet() -> None:
    fleet = Fleet(token(1000), token(1000))
    ours, theirs = fleet.process(), fleet.process(keyring(OTHER_KEY))

    assert values(ours.token()).isdisjoint(values(theirs.token()))


def test_a_second_name_that_cannot_be_read_does_not_help() -> None:
    fleet = Fleet(token(1000))
    process = fleet.process(keyring(KEY, OTHER_KEY))
    run = process.steps()
    assert run.step()
    fleet.store.down = "TimeoutError"

    assert isinstance(run.finish(), AccessToken)
    assert process.tokens.store_report().fallbacks == 1


def test_reports_count_the_hits_of_the_store() -> None:
    fleet = Fleet(token(1000))
    fleet.watched = False
    first, second = fleet.processes(2)
    assert first.tokens.store_report().reachable is None
    first.token()
    second.token()

    assert (first.tokens.store_report().kind, first.tokens.store_report().published) == ("redis", 1)
    assert (second.tokens.store_report().hits, second.tokens.store_report().reachable) == (1, True)


def test_reports_count() -> None:
    fleet = Fleet(*(token(1000) for _ in range(8)))
    slow, quick = fleet.processes(2)
    for scope in ("a", "b"):
        slow.token(TokenOptions(scope))
        quick.token(TokenOptions(scope))
    for scope in ("c", "d"):
        run = slow.steps(TokenOptions(scope))
        run.until(Post)
        fleet.clock.now += LONGEST_LEASE + 1
        quick.token(TokenOptions(scope))
        run.finish()
    told, learnt = slow.tokens.store_report(), quick.tokens.store_report()

    assert (told.published, told.not_stored, learnt.published, learnt.hits) == (2, 2, 2, 2)


def drive(fleet: Fleet, processes: list[Any], seconds: int, *, dead: str) -> list[int]:
    """Let each process call once a second. Return the number of calls with the token ``dead`` in each second."""
    refusals = []
    for _ in range(seconds):
        refused = 0
        for process in processes:
            got = process.get()
            assert isinstance(got, AccessToken), got
            if got.value.reveal() == dead:
                refused += 1
                process.tokens.invalidate(got)
                if not got.unchanged:
                    assert isinstance(process.get(rejected=got), TokenUnchangedError)
        refusals.append(refused)
        fleet.clock.now += 1
    return refusals


@pytest.mark.pitfall(id="same-token-again")
def test_a_fleet_asks_an_endpoint_that_returns_the_rejected_token_six_times_a_minute() -> None:
    fleet = Fleet(token(3600), takes=0.0)
    processes = fleet.processes(20)
    first = {process.token().value.reveal() for process in processes}
    assert len(first) == 1

    refused = drive(fleet, processes, 60, dead=first.pop())

    assert refused == [20] * 60  # Each call is sent.
    assert fleet.requests <= 1 + 6 + 1


@pytest.mark.pitfall(id="same-token-again")
def test_the_fleet_mends_with_the_endpoint() -> None:
    same = token(3600)
    fleet = Fleet(same, same, same, same, token(3600), takes=0.0)
    processes = fleet.processes(20)
    (dead,) = {process.token().value.reveal() for process in processes}

    refused = drive(fleet, processes, 50, dead=dead)

    assert refused[:30] == [20] * 30
    assert refused[-8:] == [0] * 8
    assert fleet.requests == 5


def test_a_process_that_has_no_token_gets_the_unchanged_one() -> None:
    fleet = Fleet(token(3600))
    old, new = fleet.processes(2)
    rejected = old.token()
    old.tokens.invalidate(rejected)
    assert isinstance(old.get(rejected=rejected), TokenUnchangedError)
    got = new.token()

    assert got.value == rejected.value
    assert got.unchanged
    record = fleet.only_slot.record
    assert record is not None
    assert got.fresh_until == pytest.approx(record.until)
    assert fleet.requests == 2


def test_once_the_api_accepts_it_a_kept_token_lives_its_full_life() -> None:
    fleet = Fleet(token(3600))
    first, second = fleet.processes(2)
    for process in (first, second):
        rejected = process.token()
        process.tokens.invalidate(rejected)
        assert isinstance(process.get(rejected=rejected), TokenUnchangedError)
    fleet.clock.now += 15
    again = second.token()
    assert again.unchanged
    again.unchanged.works = True
    requests = fleet.requests
    fleet.clock.now += 3_000

    assert second.token().unchanged is None
    assert fleet.requests == requests
