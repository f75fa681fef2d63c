"""Counters of each client in one process."""

from __future__ import annotations

import gc
import os
import sys

import pytest

from prio_middleware.telemetry.counters import FETCHES_KEPT, OTHER, ClientCounters, MetricsRegistry, client_name
from tests.telemetry.helpers import FORKS


def test_every_label_that_matters_starts_at_zero() -> None:
    counters = ClientCounters("shop")
    assert (
        set(counters.acquisitions.values()) == set(counters.blocked.values()) == set(counters.reauthentications.values()) == {0}
    )
    assert {200, 302, 401, 403, 429, 503} <= counters.responses().keys()
    assert set(counters.responses().values()) == {0}


def test_client_errors_are_counted_by_the_minute() -> None:
    counters = ClientCounters("shop")
    for status in (400, 401, 403, 404, 429, 499, 500, 503, 599):
        counters.count_other_response(status)
    assert counters.client_errors.count() == 6
    assert counters.responses()[499] == 1


def test_what_is_no_status_becomes_no_label(subtests: pytest.Subtests) -> None:
    for status in (-1, 0, 99, 600, 10**9):
        with subtests.test(status=status):
            counters = ClientCounters("shop")
            counters.count_other_response(status)
            assert status not in counters.responses()
            assert sum(counters.responses().values()) == 0


def test_a_status_without_a_name_is_counted() -> None:
    counters = ClientCounters("shop")
    counters.count_other_response(299)
    counters.count_other_response(299)
    assert counters.responses()[299] == 2


def test_only_the_last_fetches_are_kept_newest_first() -> None:
    counters = ClientCounters("shop")
    for attempts in range(FETCHES_KEPT + 5):
        counters.count_fetch(0.1, "initial", "ok", attempts, "endpoint")
    assert [seen.attempts for seen in counters.fetches] == list(reversed(range(5, FETCHES_KEPT + 5)))


def test_providers_are_known_as_long_as_they_live() -> None:
    class Provider:
        pass

    counters, kept = ClientCounters("shop"), Provider()
    counters.add_provider(kept)
    gc.collect()
    before = sys.getallocatedblocks()
    alive = [Provider() for _ in range(1000)]
    for number in range(1000):
        counters.add_provider(alive[number])
    assert set(counters.providers()) == {kept, *alive}
    alive.clear()
    gc.collect()
    assert counters.providers() == [kept]
    assert sys.getallocatedblocks() - before < 500


def test_ten_thousand_clients_make_a_hundred_labels_and_one() -> None:
    registry = MetricsRegistry()
    for number in range(10_000):
        registry.client(f"shop {number}").count_blocked("cooling_down")
    names = [counters.name for counters in registry.clients()]
    assert len(names) == 101
    assert names[-1] == OTHER
    assert sum(counters.blocked["cooling_down"] for counters in registry.clients()) == 10_000
    assert registry.client("shop 5").blocked["cooling_down"] == 1


def test_what_was_counted_before_is_not_reported_after_it_was_dropped() -> None:
    registry = MetricsRegistry()
    old = registry.client("shop")
    old.count_other_response(404)
    registry.clear()
    new = registry.client("shop")
    old.count_other_response(404)  # A call of an earlier test that ends late.
    assert registry.clients() == [new]
    assert new.client_errors.count() == 0


def test_a_forked_process_without_fork_hooks_starts_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MetricsRegistry()
    counters = registry.client("shop")
    at_hand = counters.acquisitions
    at_hand["cached"] += 1
    counters.waiting = 3
    counters.count_other_response(404)
    counters.count_fetch(0.1, "initial", "ok", 1, "endpoint")
    monkeypatch.setattr(os, "getpid", lambda: -1)

    counters.check_fork()
    assert registry.clients() == [counters]
    assert counters.acquisitions is at_hand
    assert at_hand["cached"] == counters.waiting == counters.client_errors.count() == counters.responses()[404] == 0
    assert not counters.fetches


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_starts_from_zero_at_once() -> None:
    counters = ClientCounters("forked")
    counters.acquisitions["cached"] += 5
    child = os.fork()
    if child == 0:
        counters.acquisitions["cached"] += 1
        os._exit(counters.acquisitions["cached"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert counters.acquisitions["cached"] == 5


def test_a_custom_provider_needs_no_name(subtests: pytest.Subtests) -> None:
    class Provider:
        pass

    assert client_name(Provider()) == "default"
    for client, name in [("shop", "shop"), (None, "default"), (object(), "default")]:
        with subtests.test(repr(client)):
            provider = Provider()
            provider.client = client  # type: ignore[attr-defined]
            assert client_name(provider) == name
