"""Invariants in every state: one leader, an answer for every caller, no token that is known to be rejected.

``python -m tests.long.exhaustive --callers 4`` visits more states, and prints their number.
"""

from __future__ import annotations

import pytest

from tests.long.exhaustive import internals
from tests.long.exhaustive.__main__ import main
from tests.long.exhaustive.explorer import explore
from tests.long.exhaustive.invariants import BrokenError
from tests.long.exhaustive.scope import Scope
from tests.long.exhaustive.scopes import scopes

THREE = [
    Scope(3, failures=1, cancellations=1),
    Scope(3, endings=1),
    Scope(3, losses=1),
    Scope(3, closings=1, failures=1),
    Scope(3, revocations=1, failures=1, threads=False),
]


@pytest.mark.parametrize("scope", [*scopes(callers=2, ticks=1), *THREE], ids=str)
def test_every_invariant_holds_in_every_state(scope: Scope) -> None:
    found = explore(scope)

    assert found.states > 1
    assert found.transitions >= found.states - 1


def test_one_caller_alone_has_one_way() -> None:
    # Begin, join, start a fetch, wait; begin it, decide again, request, cache and complete; receive the result.
    assert explore(Scope(1))[2:] == (1, 8)


@pytest.mark.parametrize("scope", [Scope(3), Scope(2, failures=1), Scope(2, revocations=1)], ids=str)
def test_the_same_states_are_found_again(scope: Scope) -> None:
    assert explore(scope) == explore(scope)


def test_more_freedom_means_more_schedules() -> None:
    tasks, threads = explore(Scope(3, threads=False)), explore(Scope(3))
    assert tasks.schedules < threads.schedules < explore(Scope(3, cancellations=1)).schedules


def test_the_long_form_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--callers", "1", "--ticks", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + len(list(scopes(1, 0)))
    assert printed[-1].endswith("all of them")


# Providers with a fault: each of them is detected.


FAULTS: list[tuple[internals.Break, Scope, str]] = [
    (internals.every_caller_fetches, Scope(2), "2 fetches at once"),
    (internals.a_fetch_that_ends_early_is_made_again_at_once, Scope(1, endings=1), "within a second"),
    (internals.callers_of_an_outage_fetch_on, Scope(2, failures=1), "in the pause"),
    (internals.a_frozen_process_fails_its_callers, Scope(1, freezes=1), "although nothing failed"),
    (internals.no_second_decision, Scope(2), "although a fresh token is kept"),
    (internals.a_fetch_that_ends_early_never_completes, Scope(1, endings=1), "none was lost"),
    (internals.a_waiter_never_times_out, Scope(2, losses=1), "left waiting for ever"),
    (internals.a_fetch_is_never_dropped, Scope(1, revocations=1), "round in circles"),
    (internals.an_invalid_token_is_kept, Scope(2, revocations=1), "known to be rejected"),
    (internals.a_rejected_token_still_completes, Scope(3, revocations=1), "known to be rejected"),
    (internals.a_rejected_token_is_used, Scope(2, revocations=1), "the token that was rejected for it"),
    (internals.an_error_beats_a_token, Scope(1, "due", failures=1), "although a token is kept that works"),
    (internals.an_expired_token_is_used, Scope(1, "expired"), "an expired token"),
    (internals.the_cache_is_ignored, Scope(2), "although a fresh token is kept"),
    (internals.old_credentials_are_tried_to_the_end, Scope(1, rotations=1), "an error although nothing failed"),
]


@pytest.mark.parametrize(("fault", "scope", "problem"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_a_fault_is_detected(fault: internals.Break, scope: Scope, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(BrokenError, match=problem):
        explore(scope)
