from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prio_middleware.middleware import RevocationHandler
from prio_middleware.middleware.revocation_handler import LOOK_BACK, MEMORIES, WATCH
from prio_middleware.pipeline import Exchange, Verdict
from prio_middleware.refusal import Refusal
from prio_middleware.refusal_rules import PRIO_REFUSALS, RFC6749_REFUSALS
from prio_middleware.secret import Secret
from prio_middleware.tokens.token import AccessToken, TokenOptions

from .conftest import MakeExchange
from .simulation import URL, Request, Response

AGAIN, DELIVER = Verdict.REAUTHENTICATE, None
REFUSED = Refusal(403, code="AUTHORIZATION_FAILURE")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Whatever a handler is to see: one answer after the other."""

    def __init__(self, handler: RevocationHandler) -> None:
        self.handler = handler

    def refuses(
        self, path: str, serial: int | None, refusal: Refusal = REFUSED, *, attempt: int = 1, scope: str | None = None
    ) -> Verdict | None:
        exchange = self._exchange(path, serial, attempt)
        exchange.options = TokenOptions(scope)
        exchange.refusal = refusal
        return self.handler.on_response(exchange, Response(refusal.status_code))

    def answers(self, path: str, serial: int | None, status: int = 200, *, attempt: int = 1) -> None:
        exchange = self._exchange(path, serial, attempt)
        assert self.handler.on_response(exchange, Response(status)) is DELIVER

    def _exchange(self, path: str, serial: int | None, attempt: int) -> Exchange:
        exchange = Exchange(Request(URL(path)), {})
        exchange.token = None if serial is None else AccessToken(Secret("token"), serial=serial)
        exchange.attempt = attempt
        return exchange


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server(RevocationHandler(PRIO_REFUSALS, clock))


def test_it_judges_the_statuses_of_its_rules() -> None:
    assert RevocationHandler(PRIO_REFUSALS).judges == {400, 401, 403}


def test_it_works_on_the_libraries_own_requests(library: Any, exchange_for: MakeExchange) -> None:
    handler = RevocationHandler(RFC6749_REFUSALS)
    exchange = exchange_for("https://api.example.com/a?x=1", "post")
    exchange.token, exchange.refusal = AccessToken(Secret("token")), Refusal(401)
    assert handler.on_response(exchange, library.Response(401)) is AGAIN
    exchange.begin_second(AccessToken(Secret("token")))
    assert handler.on_response(exchange, library.Response(200)) is DELIVER


@pytest.mark.pitfall(id="insufficient-scope")
@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, code="AUTHORIZATION_FAILURE", challenge="insufficient_scope"),
        Refusal(403, code="INSUFFICIENT_SCOPE"),
        Refusal(400, code="INVALID_REQUEST"),
        Refusal(400),
        Refusal(401, challenge="invalid_token", complete=False),
    ],
)
def test_what_no_token_cures_is_delivered_and_teaches_nothing(server: Server, refusal: Refusal) -> None:
    assert server.refuses("/a", 1, refusal) is DELIVER
    assert server.refuses("/a", 1, refusal) is DELIVER
    assert server.refuses("/a", 1) is AGAIN


def test_a_call_without_a_token_of_ours_is_delivered_and_teaches_nothing(server: Server) -> None:
    assert server.refuses("/a", None) is DELIVER
    server.answers("/a", None)
    assert server.refuses("/a", 1) is AGAIN


def test_it_asks_once(server: Server) -> None:
    assert server.refuses("/a", 1) is AGAIN
    assert server.refuses("/a", 2, attempt=2) is DELIVER


@pytest.mark.parametrize("other", [Refusal(401, code=REFUSED.code), Refusal(403, code="ANOTHER_CODE")])
def test_the_status_and_the_code_are_part_of_what_is_learnt(server: Server, other: Refusal) -> None:
    spend_doubtful_bets(server, 1)
    server.answers("/a", 2)
    for serial in (2, 3):
        assert server.refuses("/a", serial) is AGAIN
        server.refuses("/a", serial + 1, attempt=2)
    assert server.refuses("/a", 4) is DELIVER
    assert server.refuses("/a", 4, other) is AGAIN


def spend_doubtful_bets(server: Server, serial: int) -> None:
    """From now on only a place that is known to answer is worth a new token."""
    assert server.refuses("/closed", serial) is AGAIN
    assert server.refuses("/closed", serial + 1, attempt=2) is DELIVER
    assert server.refuses("/closed/too", serial + 1) is DELIVER


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, AGAIN), (204, AGAIN), (299, AGAIN), (300, DELIVER), (302, DELIVER), (404, DELIVER), (429, DELIVER), (503, DELIVER)],
)
def test_only_a_success_shows_that_a_place_answers(server: Server, status: int, verdict: Verdict) -> None:
    spend_doubtful_bets(server, 1)
    server.answers("/a", 2, status)
    assert server.refuses("/a", 2) is verdict


@pytest.mark.parametrize("elsewhere", [Request(URL("/a"), "POST"), Request(URL("/a", raw_host=b"other.example.com"))])
def test_a_place_is_a_method_and_a_host_too(server: Server, elsewhere: Request) -> None:
    spend_doubtful_bets(server, 1)
    server.answers("/a", 2)
    exchange = Exchange(elsewhere, {})
    exchange.token, exchange.refusal = AccessToken(Secret("token"), serial=2), REFUSED
    assert server.handler.on_response(exchange, Response(403)) is DELIVER
    assert server.refuses("/a", 2) is AGAIN


def test_after_a_refusal_every_success_is_noted_for_a_while(server: Server, clock: Clock) -> None:
    spend_doubtful_bets(server, 1)
    clock.now = WATCH - 1
    server.answers("/noted", 2)
    clock.now = WATCH
    server.answers("/noted/last", 2)
    assert not server.handler._watching


def test_in_quiet_times_a_success_takes_no_lock(server: Server) -> None:
    with server.handler._memories.lock:
        server.answers("/a", 1)


def test_places_that_answered_in_quiet_times_are_known_when_the_token_dies_after_a_call_to_a_closed_one(server: Server) -> None:
    server.answers("/a", 1)
    spend_doubtful_bets(server, 1)

    assert server.refuses("/b", 2) is DELIVER
    assert server.refuses("/a", 2) is AGAIN


def test_of_a_quiet_time_more_than_one_place_is_known(server: Server) -> None:
    server.answers("/a", 1)
    server.answers("/b", 1)
    spend_doubtful_bets(server, 1)

    assert server.refuses("/b", 2) is AGAIN


def test_after_a_time_of_refusals_there_is_a_quiet_one_again(server: Server, clock: Clock) -> None:
    spend_doubtful_bets(server, 1)
    clock.now = WATCH
    server.answers("/last", 2)
    server.answers("/quiet", 2)
    assert server.refuses("/closed/also", 2) is AGAIN

    assert server.refuses("/quiet", 3) is AGAIN


def test_of_a_long_quiet_time_the_first_successes_are_kept(server: Server) -> None:
    for _ in range(LOOK_BACK):
        server.answers("/early", 1)
    for _ in range(LOOK_BACK):
        server.answers("/late", 1)
    spend_doubtful_bets(server, 1)

    assert server.refuses("/late", 2) is DELIVER
    assert server.refuses("/early", 2) is AGAIN


def test_tokens_for_different_scopes_are_learnt_about_one_by_one(server: Server) -> None:
    spend_doubtful_bets(server, 1)
    assert server.refuses("/a", 2) is DELIVER
    assert server.refuses("/a", 2, scope="other") is AGAIN


def test_what_is_remembered_is_bounded(server: Server) -> None:
    for n in range(2 * MEMORIES):
        server.refuses("/a", 1, scope=str(n))
        server.refuses("/a", 1)
    remembered = server.handler._memories._by_options
    assert (len(remembered), TokenOptions("0") in remembered, TokenOptions(str(2 * MEMORIES - 1)) in remembered) == (
        MEMORIES,
        False,
        True,
    )
    assert server.refuses("/b", 2) is DELIVER


class HeldForEver:
    """A lock whose holder did not come along into this process."""

    def __enter__(self) -> None:
        raise AssertionError("This would wait for ever.")

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.pitfall(id="fork-during-fetch")
def test_a_forked_process_starts_afresh_though_the_lock_was_held(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    spend_doubtful_bets(server, 1)
    pid = os.getpid()
    monkeypatch.setattr(server.handler._memories, "lock", HeldForEver())
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert server.refuses("/a", 2) is AGAIN
    server.answers("/a", 3, attempt=2)


def test_threads_share_what_is_learnt(server: Server) -> None:
    threads = 16
    start = threading.Barrier(threads)

    def call(n: int) -> Verdict | None:
        start.wait()
        return server.refuses(f"/{n}", 1)

    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(call, range(threads))) == {AGAIN}
    assert server.refuses("/new", 2) is DELIVER
