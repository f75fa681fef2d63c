"""What each client did, counted in this process alone."""

from __future__ import annotations

import gc
import os

import pytest

from prio_middleware.telemetry.tally import FETCHES_KEPT, LEDGER, OTHER, Ledger, Tally, name_of


def test_every_label_that_matters_starts_at_zero() -> None:
    tally = Tally("shop")
    assert set(tally.acquisitions.values()) == set(tally.rejected.values()) == set(tally.reauthentications.values()) == {0}
    assert {200, 302, 401, 403, 429, 503} <= tally.responses().keys()
    assert set(tally.responses().values()) == {0}


def test_client_errors_are_counted_by_the_minute() -> None:
    tally = Tally("shop")
    for status in (400, 401, 403, 404, 429, 499, 500, 503, 599):
        tally.note_refused(status)
    assert tally.client_errors.count() == 6
    assert tally.responses()[499] == 1


@pytest.mark.parametrize("status", [-1, 0, 99, 600, 10**9])
def test_what_is_no_status_becomes_no_label(status: int) -> None:
    tally = Tally("shop")
    tally.note_refused(status)
    assert status not in tally.responses()
    assert sum(tally.responses().values()) == 0


def test_a_status_without_a_name_is_counted() -> None:
    tally = Tally("shop")
    tally.note_refused(299)
    tally.note_refused(299)
    assert tally.responses()[299] == 2


def test_only_the_last_fetches_are_kept_newest_first() -> None:
    tally = Tally("shop")
    for attempts in range(FETCHES_KEPT + 5):
        tally.note_fetch(0.1, "initial", "ok", attempts, "endpoint")
    assert [seen.attempts for seen in tally.fetches] == list(reversed(range(5, FETCHES_KEPT + 5)))


def test_providers_are_known_as_long_as_they_live() -> None:
    class Provider:
        pass

    tally, kept = Tally("shop"), Provider()
    for _ in range(1000):
        tally.know(Provider())
    tally.know(kept)
    gc.collect()
    assert tally.providers() == [kept]
    assert len(tally._providers) == 1


def test_ten_thousand_clients_make_a_hundred_labels_and_one() -> None:
    ledger = Ledger()
    for number in range(10_000):
        ledger.of(f"shop {number}").note_rejected("held_back")
    names = [tally.name for tally in ledger.tallies()]
    assert len(names) == 101
    assert names[-1] == OTHER
    assert sum(tally.rejected["held_back"] for tally in ledger.tallies()) == 10_000
    assert ledger.of("shop 5").rejected["held_back"] == 1


def test_a_forked_process_starts_from_zero_where_nobody_runs_the_hooks() -> None:
    ledger = Ledger()
    tally = ledger.of("shop")
    at_hand = tally.acquisitions
    at_hand["fresh"] += 1
    tally.waiting = 3
    tally.note_refused(404)
    tally.note_fetch(0.1, "initial", "ok", 1, "endpoint")
    ledger._pid += 1  # As if the process were another one.

    assert [each.name for each in ledger.tallies()] == ["shop"]
    assert tally.acquisitions is at_hand
    assert at_hand["fresh"] == tally.waiting == tally.client_errors.count() == tally.responses()[404] == 0
    assert not tally.fetches


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_starts_from_zero_at_once() -> None:
    tally = LEDGER.of("forked")
    tally.acquisitions["fresh"] += 5
    child = os.fork()
    if child == 0:
        tally.acquisitions["fresh"] += 1
        os._exit(tally.acquisitions["fresh"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert tally.acquisitions["fresh"] == 5


@pytest.mark.parametrize(("client", "name"), [("shop", "shop"), (None, "default"), (object(), "default")])
def test_a_provider_of_somebody_elses_need_not_tell_its_name(client: object, name: str) -> None:
    class Provider:
        pass

    provider = Provider()
    provider.client = client  # type: ignore[attr-defined]
    assert name_of(provider) == name
    assert name_of(Provider()) == "default"
