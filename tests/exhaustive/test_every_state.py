"""One leader, everyone answered, nobody left waiting, no token known to be refused: in every state there is.

``python -m tests.exhaustive --callers 4`` visits more of them, and prints how many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import ClientCredentialsProvider
from prio_middleware.tokens import provider as provider_module
from prio_middleware.tokens.decision import NEED_TOKEN, Use, decide
from prio_middleware.tokens.effects import Pause, Wait
from prio_middleware.tokens.flight import Flight, Flights, Unanswered
from prio_middleware.tokens.retrying import Attempts
from tests.exhaustive.__main__ import main
from tests.exhaustive.explorer import explore
from tests.exhaustive.invariants import BrokenError
from tests.exhaustive.scope import NEVER, Scope
from tests.exhaustive.scopes import scopes

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("scope", list(scopes(callers=3, ticks=1)), ids=str)
def test_every_invariant_holds_in_every_state(scope: Scope) -> None:
    found = explore(scope)

    assert 0 < found.states < found.transitions < found.schedules


def test_one_caller_alone_has_one_way() -> None:
    # Begin, decide, board, ask, keep and land.
    assert explore(Scope(1))[2:] == (1, 5)


@pytest.mark.parametrize("scope", [Scope(3), Scope(2, failures=1), Scope(2, revocations=1)], ids=str)
def test_the_same_states_are_found_again(scope: Scope) -> None:
    assert explore(scope) == explore(scope)


def test_more_freedom_means_more_schedules() -> None:
    tasks, threads = explore(Scope(3, threads=False)), explore(Scope(3))
    assert tasks.schedules < threads.schedules < explore(Scope(3, cancellations=1)).schedules


def test_the_long_form_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--callers", "2", "--ticks", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + len(list(scopes(2, 0)))
    assert printed[-1].endswith("all of them")


# Providers with a fault: each of them is found out.


def everybody_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flights, "board", lambda self, key, until: (Flight(until), True))


def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def lead(self: Any, key: Any, stale: Any, flight: Any, until: float, trigger: Any = None) -> Any:
        outcome = yield from self._fetch(key, stale, until)
        self._flights.drop(key, flight)
        flight.land(outcome)
        return outcome

    monkeypatch.setattr(ClientCredentialsProvider, "_lead", lead)


def a_cancelled_leader_lands_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    land = Flight.land
    monkeypatch.setattr(Flight, "land", lambda self, outcome: outcome is Unanswered.HANDED_OVER or land(self, outcome))


def a_flight_is_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flights, "drop", lambda self, key, flight: None)


def an_invalid_token_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientCredentialsProvider, "invalidate", lambda self, token: None)


def a_refused_token_still_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientCredentialsProvider, "_handed_on", lambda self, outcome: outcome)


def a_refused_token_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    an_invalid_token_is_kept(monkeypatch)
    monkeypatch.setattr(provider_module, "decide", lambda token, stale, *rest, **options: decide(token, None, *rest, **options))


def an_error_beats_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "usable", lambda token, stale, now: None)


def an_expired_token_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "decide", lambda token, *_, **__: Use(token) if token else NEED_TOKEN)


def what_is_kept_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "decide", lambda token, *rest, **options: decide(None, *rest, **options))


def old_credentials_are_tried_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(self: Any, key: Any, stale: Any, until: float, *, may_renew: bool = True) -> Any:
        endpoint, attempts = self.endpoint, Attempts(until, self._clock)
        while (pause := attempts.pause_before_next()) is not None:
            if pause:
                yield Pause(pause)
            attempts.record((yield from self._request_token(endpoint, key, until, self._clock)))
        if endpoint is self.endpoint:
            self._remember(key, attempts.result)
        return attempts.result

    monkeypatch.setattr(ClientCredentialsProvider, "_fetch", fetch)


def a_waiter_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "Wait", lambda flight, seconds: Wait(flight, NEVER))


FAULTS: list[tuple[Break, Scope, str]] = [
    (everybody_leads, Scope(2), "2 fetches at once"),
    (no_second_look, Scope(2), "although a fresh token is kept"),
    (a_cancelled_leader_lands_nowhere, Scope(2, cancellations=1), "nobody was lost"),
    (a_waiter_waits_for_ever, Scope(2, losses=1), "left waiting for ever"),
    (a_flight_is_never_dropped, Scope(1), "a flight is left open"),
    (an_invalid_token_is_kept, Scope(2, revocations=1), "known to be refused"),
    (a_refused_token_still_lands, Scope(3, revocations=1), "known to be refused"),
    (a_refused_token_will_do, Scope(2, revocations=1), "the token he was refused with"),
    (an_error_beats_a_token, Scope(1, "due", failures=1), "although a token is kept that works"),
    (an_expired_token_will_do, Scope(1, "expired"), "an expired token"),
    (what_is_kept_is_not_looked_at, Scope(2), "although a fresh token is kept"),
    (old_credentials_are_tried_to_the_end, Scope(1, rotations=1), "an error although nothing failed"),
]


@pytest.mark.parametrize(("fault", "scope", "problem"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_a_fault_is_found_out(fault: Break, scope: Scope, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(BrokenError, match=problem):
        explore(scope)
