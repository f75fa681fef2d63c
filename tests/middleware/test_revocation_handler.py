from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prio_middleware._util.secret import Secret
from prio_middleware.middleware import RevocationHandler
from prio_middleware.middleware.revocation.handler import BACKLOG, MEMORIES_LIMIT, WATCH_SECONDS
from prio_middleware.middleware.revocation.memory import (
    KINDS_LIMIT,
    TEXT_LIMIT,
    EndpointKey,
    PathTemplates,
    RefusalMemory,
    text_length,
)
from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.renewal_limiter import UNKNOWN_LIMIT, ProcessLimiter, RenewalLimiter
from prio_middleware.middleware.revocation.rules import PRIO_REFUSALS, RFC6749_REFUSALS
from prio_middleware.oauth.access_token import AccessToken, TokenOptions
from prio_middleware.pipeline.exchange import Exchange, Verdict

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
    """Sequence of responses for a handler."""

    def __init__(self, handler: RevocationHandler) -> None:
        self.handler = handler

    def refuses(
        self, path: str, serial: int | None, refusal: Refusal = REFUSED, *, attempt: int = 1, **options: str
    ) -> Verdict | None:
        exchange = self._exchange(path, serial, attempt, options)
        exchange.refusal = refusal
        return self.handler.on_response(exchange, Response(refusal.status_code))

    def answers(self, path: str, serial: int | None, status: int = 200, *, attempt: int = 1, **options: str) -> None:
        exchange = self._exchange(path, serial, attempt, options)
        assert self.handler.on_response(exchange, Response(status)) is DELIVER

    def _exchange(self, path: str, serial: int | None, attempt: int, options: Mapping[str, Any]) -> Exchange:
        exchange = Exchange(Request(URL(path)), {})
        exchange.options = TokenOptions(**options)
        exchange.token = None if serial is None else AccessToken(Secret("token"), serial=serial)
        exchange.attempt = attempt
        return exchange


@pytest.fixture
def clock() -> Clock:
    return Clock()


class CountingLimiter(ProcessLimiter):
    """Limiter that counts how often its lock is used."""

    asked = 0

    def of_this_process(self) -> tuple[threading.Lock, RenewalLimiter]:
        self.asked += 1
        return super().of_this_process()


@pytest.fixture
def limiter() -> CountingLimiter:
    return CountingLimiter()


@pytest.fixture
def server(clock: Clock, limiter: CountingLimiter) -> Server:
    return Server(RevocationHandler(PRIO_REFUSALS, clock, limiter=limiter))


def test_an_unchanged_token_is_known_to_be_rejected_until_it_works(limiter: CountingLimiter) -> None:
    handler = RevocationHandler(PRIO_REFUSALS, limiter=limiter)
    asked = limiter.asked
    token = AccessToken(Secret("token")).mark_unchanged(10.0)
    assert token.unchanged
    for path in ("/a", "/b") * 10:
        exchange = Exchange(Request(URL(path)), {})
        exchange.token, exchange.refusal = token, REFUSED
        assert handler.on_response(exchange, Response(403)) is AGAIN
    assert not token.unchanged.works
    assert limiter.asked == asked  # The provider paces these renewals.
    accepted = Exchange(Request(URL("/a")), {})
    accepted.token = token
    assert handler.on_response(accepted, Response(200)) is DELIVER

    assert token.unchanged.works is True


def test_the_refusal_statuses_of_a_handler_are_those_of_its_rules() -> None:
    assert RevocationHandler(PRIO_REFUSALS).refusal_statuses == {400, 401, 403}


def test_the_counters_of_a_handler_without_a_pipeline_are_those_of_the_default_client() -> None:
    assert RevocationHandler(PRIO_REFUSALS).counters.name == "default"


def test_the_handler_works_on_requests_of_the_libraries(library: Any, exchange_for: MakeExchange) -> None:
    handler = RevocationHandler(RFC6749_REFUSALS)
    exchange = exchange_for("https://api.example.com/a?x=1", "post")
    exchange.token, exchange.refusal = AccessToken(Secret("token")), Refusal(401)
    assert handler.on_response(exchange, library.Response(401)) is AGAIN
    exchange.start_retry(AccessToken(Secret("token")))
    assert handler.on_response(exchange, library.Response(200)) is DELIVER


@pytest.mark.pitfall(id="insufficient-scope")
@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, code="AUTHORIZATION_FAILURE", challenge="insufficient_scope"),
        Refusal(403, code="INSUFFICIENT_SCOPE"),
        Refusal(400, code="INVALID_REQUEST"),
        Refusal(400),
        Refusal(401, complete=False),
        Refusal(403, code="AUTHORIZATION_FAILURE", complete=False),
        Refusal(401, schemes=frozenset({"digest"})),
        Refusal(401, schemes=frozenset({"basic", "negotiate"})),
    ],
)
def test_what_no_token_cures_is_delivered_and_teaches_nothing(server: Server, refusal: Refusal) -> None:
    assert server.refuses("/a", 1, refusal) is DELIVER
    assert server.refuses("/a", 1, refusal) is DELIVER
    assert server.refuses("/a", 1) is AGAIN


def test_a_refusal_of_a_bypassed_call_is_returned_and_not_remembered(server: Server) -> None:
    assert server.refuses("/a", None) is DELIVER
    server.answers("/a", None)
    assert server.refuses("/a", 1) is AGAIN


def test_a_rejected_retry_is_returned(server: Server) -> None:
    assert server.refuses("/a", 1) is AGAIN
    assert server.refuses("/a", 2, attempt=2) is DELIVER


@pytest.mark.parametrize("other", [Refusal(401, code=REFUSED.code), Refusal(403, code="ANOTHER_CODE")])
def test_a_denial_includes_the_status_and_the_code(server: Server, other: Refusal) -> None:
    server.answers("/a", 1)
    for serial in (1, 2):
        assert server.refuses("/a", serial) is AGAIN
        server.refuses("/a", serial + 1, attempt=2)
    server.answers("/b", 3)
    assert server.refuses("/a", 3) is DELIVER
    assert server.refuses("/a", 3, other) is AGAIN


def spend_unknown_renewals(server: Server, serial: int, **options: Any) -> None:
    """Use up the renewals for endpoints that never succeeded."""
    assert server.refuses("/closed", serial, **options) is AGAIN
    assert server.refuses("/closed", serial + 1, attempt=2, **options) is DELIVER
    assert server.refuses("/closed/too", serial + 1, **options) is DELIVER


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, AGAIN), (204, AGAIN), (299, AGAIN), (300, DELIVER), (302, DELIVER), (404, DELIVER), (429, DELIVER), (503, DELIVER)],
)
def test_only_a_success_shows_that_an_endpoint_answers(server: Server, status: int, verdict: Verdict) -> None:
    spend_unknown_renewals(server, 1)
    server.answers("/a", 2, status)
    assert server.refuses("/a", 2) is verdict


@pytest.mark.parametrize("elsewhere", [Request(URL("/a"), "POST"), Request(URL("/a", raw_host=b"other.example.com"))])
def test_an_endpoint_includes_its_method_and_host(server: Server, elsewhere: Request) -> None:
    spend_unknown_renewals(server, 1)
    assert server.refuses("/closed", 7, scope="other") is AGAIN
    server.answers("/a", 2)
    exchange = Exchange(elsewhere, {})
    exchange.token, exchange.refusal = AccessToken(Secret("token"), serial=2), REFUSED
    assert server.handler.on_response(exchange, Response(403)) is DELIVER
    assert server.refuses("/a", 2) is AGAIN


def test_in_quiet_times_a_success_takes_no_lock_and_after_a_refusal_it_does_for_a_while(
    server: Server, clock: Clock, limiter: CountingLimiter
) -> None:
    asked = []
    for moment in (0.0, 0.0, WATCH_SECONDS - 1, WATCH_SECONDS, WATCH_SECONDS, WATCH_SECONDS + 1):
        clock.now = moment
        before = limiter.asked
        server.answers("/a", 2)
        asked.append(limiter.asked - before)
        if len(asked) == 1:
            clock.now = 0.0
            spend_unknown_renewals(server, 1)
    assert asked == [0, 1, 1, 1, 0, 0]


def test_endpoints_that_answered_in_quiet_times_are_known_after_a_refusal(server: Server) -> None:
    server.answers("/a", 1)
    spend_unknown_renewals(server, 1)

    assert server.refuses("/b", 2) is DELIVER
    assert server.refuses("/a", 2) is AGAIN


def test_several_endpoints_of_a_quiet_time_are_known(server: Server) -> None:
    server.answers("/a", 1)
    server.answers("/b", 1)
    spend_unknown_renewals(server, 1)

    assert server.refuses("/b", 2) is AGAIN


def test_after_a_time_of_refusals_there_is_a_quiet_one_again(server: Server, clock: Clock) -> None:
    spend_unknown_renewals(server, 1)
    clock.now = WATCH_SECONDS
    server.answers("/last", 2)
    server.answers("/quiet", 2)
    assert server.refuses("/closed/also", 2) is AGAIN

    assert server.refuses("/quiet", 3) is AGAIN


def test_the_first_successes_of_a_long_quiet_time_are_kept(server: Server) -> None:
    for _ in range(BACKLOG):
        server.answers("/early", 1)
    for _ in range(BACKLOG):
        server.answers("/late", 1)
    spend_unknown_renewals(server, 1)

    assert server.refuses("/late", 2) is DELIVER
    assert server.refuses("/early", 2) is AGAIN


def test_denials_are_kept_by_scope_within_common_limits(server: Server) -> None:
    spend_unknown_renewals(server, 1)
    assert server.refuses("/a", 2) is DELIVER
    assert server.refuses("/a", 7, scope="other") is AGAIN
    assert server.refuses("/a", 8, scope="third") is DELIVER


def test_the_header_decides_though_the_body_was_not_read(server: Server) -> None:
    assert server.refuses("/a", 1, Refusal(401, challenge="invalid_token", complete=False)) is AGAIN


@pytest.mark.parametrize(
    "refusal", [Refusal(401, challenge="invalid_token"), Refusal(401, code="invalid_token"), Refusal(400, code="token_expired")]
)
def test_a_refusal_that_names_the_token_is_worth_a_renewal_at_a_new_path(server: Server, refusal: Refusal) -> None:
    spend_unknown_renewals(server, 1)
    assert server.refuses("/a", 2, Refusal(401, code="another_code")) is DELIVER
    assert server.refuses("/a", 2, refusal) is AGAIN


def test_a_retry_that_succeeds_clears_its_path(server: Server) -> None:
    server.answers("/a", 1)
    for serial in (1, 3):
        assert server.refuses("/a", serial) is AGAIN
        assert server.refuses("/a", serial + 1, attempt=2) is DELIVER
        server.answers("/a", serial + 2, attempt=2)
    assert server.refuses("/a", 5) is AGAIN


@pytest.mark.parametrize("options", [{}, {"account": "berlin"}])
def test_declared_templates_apply_to_all_accounts_and_after_a_fork(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(RevocationHandler(PRIO_REFUSALS, templates=PathTemplates(["/products/{product}"])))
    pid = os.getpid()
    for process in range(2):
        monkeypatch.setattr(os, "getpid", lambda process=process: pid + process)
        spend_unknown_renewals(server, 1, **options)
        server.answers("/products/zoo", 2, **options)
        assert server.refuses("/products/museum", 2, **options) is AGAIN


def test_successes_of_a_quiet_time_count_for_their_account() -> None:
    server = Server(RevocationHandler(PRIO_REFUSALS))
    for account in ("berlin", "vienna"):
        server.answers(f"/{account}", 1, account=account)
    server.answers("/common", 1, account="berlin")
    spend_unknown_renewals(server, 1, account="berlin")
    assert server.refuses("/vienna", 2, account="berlin") is DELIVER
    assert server.refuses("/common", 2, account="berlin") is AGAIN

    spend_unknown_renewals(server, 1, account="vienna")
    assert server.refuses("/vienna", 2, account="vienna") is AGAIN


def test_a_success_in_a_quiet_time_counts_though_another_account_succeeded_first(limiter: CountingLimiter) -> None:
    handler, neighbour = (RevocationHandler(PRIO_REFUSALS, limiter=limiter) for _ in range(2))
    handler.limiter_of_account = lambda _: limiter
    assert Server(neighbour).refuses("/closed", 11) is AGAIN
    assert Server(neighbour).refuses("/closed", 12, scope="other") is AGAIN
    server = Server(handler)
    server.answers("/a", 1, account="vienna")
    server.answers("/a", 2, account="berlin")
    assert server.refuses("/a", 2, account="berlin") is AGAIN


def test_a_success_after_a_refusal_counts_for_its_account() -> None:
    server = Server(RevocationHandler(PRIO_REFUSALS))
    spend_unknown_renewals(server, 1, account="berlin")
    server.answers("/a", 2, account="berlin")
    assert server.refuses("/a", 2, account="berlin") is AGAIN


@pytest.mark.parametrize(("scope", "verdict"), [("own", AGAIN), ("other", DELIVER)])
def test_successes_of_a_quiet_time_count_for_a_newer_token_of_their_kind(
    server: Server, limiter: CountingLimiter, scope: str, verdict: Verdict | None
) -> None:
    neighbour = Server(RevocationHandler(PRIO_REFUSALS, limiter=limiter))
    assert neighbour.refuses("/closed", 11) is AGAIN
    assert (
        neighbour.refuses("/closed", 12, scope="other") is AGAIN
    )  # Now this origin has no renewal for a token that never worked.
    server.answers("/a", 1, scope="own")
    assert server.refuses("/closed", 5, scope=scope) is DELIVER
    assert server.refuses("/a", 5, scope="own") is verdict


@pytest.mark.parametrize(("excess", "verdict"), [(0, AGAIN), (1, DELIVER)])
def test_successes_at_long_paths_of_a_quiet_time_are_forgotten(server: Server, excess: int, verdict: Verdict | None) -> None:
    host = URL("/").raw_host
    rest = text_length(EndpointKey(TokenOptions(), "GET", (host, None), ""))
    path = "/" + "x" * (TEXT_LIMIT - rest - 1 + excess)
    server.answers(path, 1)
    spend_unknown_renewals(server, 1)
    assert server.refuses(path, 2) is verdict


@pytest.mark.parametrize("schemes", [{"bearer"}, {"basic", "bearer"}, {"dpop"}])
def test_a_refusal_that_asks_for_the_tokens_own_scheme_too_is_about_the_token(schemes: set[str]) -> None:
    handler = RevocationHandler(RFC6749_REFUSALS)
    exchange = Exchange(Request(URL("/a")), {})
    exchange.token = AccessToken(Secret("token"), token_type="DPoP")
    exchange.refusal = Refusal(401, schemes=frozenset(schemes))
    assert handler.on_response(exchange, Response(401)) is AGAIN


def test_a_status_that_the_rules_name_themselves_counts_whatever_scheme_is_asked_for() -> None:
    server = Server(RevocationHandler(RFC6749_REFUSALS.over({401: None})))
    assert server.refuses("/a", 1, Refusal(401, schemes=frozenset({"basic"}))) is AGAIN


def test_handlers_of_the_same_credentials_share_the_limits() -> None:
    limiter = ProcessLimiter()
    one, other, third = (Server(RevocationHandler(PRIO_REFUSALS, limiter=limiter)) for _ in range(3))
    assert one.refuses("/a", 1) is AGAIN
    assert other.refuses("/a", 2) is AGAIN
    assert third.refuses("/a", 3) is DELIVER
    assert Server(RevocationHandler(PRIO_REFUSALS)).refuses("/a", 3) is AGAIN


@pytest.mark.pitfall(id="paths-with-ids")
def test_a_kind_of_token_that_was_forgotten_has_no_free_renewal(server: Server) -> None:
    asked = [server.refuses("/a", serial, scope=f"scope-{serial}") for serial in range(1, 2 * KINDS_LIMIT)]
    asked += [server.refuses("/a", serial + 2 * KINDS_LIMIT, scope=f"scope-{serial}") for serial in range(1, 100)]
    assert asked.count(AGAIN) == UNKNOWN_LIMIT


# A 403 without an error code.


@pytest.fixture
def other_server(clock: Clock) -> Server:
    return Server(RevocationHandler(RFC6749_REFUSALS, clock))


def not_attempted(server: Server) -> int:
    return server.handler.counters.reauthentications["not_attempted"]


@pytest.mark.pitfall(id="bare-403")
def test_a_403_without_a_code_outside_the_rules_is_counted_and_the_first_in_a_minute_logged(
    other_server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = not_attempted(other_server)
    for _ in range(1000):
        assert other_server.refuses("/orders/17", 1, Refusal(403)) is DELIVER
    assert not_attempted(other_server) == before + 1000
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    for told in ("https://api.example.com/orders/17", "GET", "'default'", "renew_on"):
        assert told in record.getMessage()
    clock.now = 60.0
    other_server.refuses("/orders/17", 1, Refusal(403))
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, code="access_denied"),
        Refusal(403, challenge="insufficient_scope"),
        Refusal(403, schemes=frozenset({"digest"})),
        Refusal(400),
    ],
)
def test_a_refusal_with_a_reason_is_not_counted_as_unattempted(
    other_server: Server, refusal: Refusal, caplog: pytest.LogCaptureFixture
) -> None:
    before = not_attempted(other_server)
    assert other_server.refuses("/a", 1, refusal) is DELIVER
    assert (not_attempted(other_server), caplog.records) == (before, [])


def test_a_403_that_the_rules_count_is_not_counted_as_unattempted(server: Server) -> None:
    before = not_attempted(server)
    assert server.refuses("/a", 1, Refusal(403)) is AGAIN
    assert server.refuses("/a", 2, Refusal(403), attempt=2) is DELIVER
    assert not_attempted(server) == before


@pytest.mark.pitfall(id="fork-during-fetch")
def test_a_forked_process_starts_afresh_though_the_lock_was_held(
    server: Server, limiter: CountingLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_child() -> None:
        verdicts.append(server.refuses("/a", 2))
        server.answers("/a", 3, attempt=2)

    verdicts: list[Verdict | None] = []
    spend_unknown_renewals(server, 1)
    child = os.getpid() + 1
    with limiter.of_this_process()[0]:  # The thread that holds it does not exist in the child.
        monkeypatch.setattr(os, "getpid", lambda: child)
        thread = threading.Thread(target=in_child, daemon=True)
        thread.start()
        thread.join(30)
    assert not thread.is_alive(), "it waits for the lock of the parent"
    assert verdicts == [AGAIN]


def test_threads_share_denials(server: Server) -> None:
    threads = 16
    start = threading.Barrier(threads)

    def call(n: int) -> Verdict | None:
        start.wait()
        return server.refuses(f"/{n}", 1)

    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(call, range(threads))) == {AGAIN}
    assert server.refuses("/new", 2) is DELIVER


@pytest.mark.parametrize("status", [200, 403])
def test_hundreds_of_long_paths_take_little_memory(status: int) -> None:
    server = Server(RevocationHandler(PRIO_REFUSALS))
    tracemalloc.start()
    try:
        for n in range(800):
            path = f"/{n}/" + "x" * 10_000
            if status == 200:
                server.answers(path, 1)
            else:
                server.refuses(path, 1)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert used < 4 * 2**20


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("long", ["method", "host", "scope", "params", "code"])
def test_long_methods_hosts_scopes_and_codes_take_little_memory(long: str, status: int) -> None:
    server = Server(RevocationHandler(PRIO_REFUSALS))
    if status == 200:
        server.refuses("/first", 1)  # From now on, successes are recorded.
    tracemalloc.start()
    try:
        for n in range(800):
            text = f"{n}" + "x" * 30_000
            url = URL("/path", host=text, raw_host=text.encode()) if long == "host" else URL("/path")
            exchange = Exchange(Request(url, text if long == "method" else "GET"), {})
            exchange.token = AccessToken(Secret("token"), serial=1)
            params = (("name", text),) if long == "params" else ()
            exchange.options = TokenOptions(text if long == "scope" else None, params=params)
            if status == 403:
                exchange.refusal = Refusal(403, code=text if long == "code" else "AUTHORIZATION_FAILURE")
            server.handler.on_response(exchange, Response(status))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert used < 8 * 2**20


def test_long_methods_are_still_distinguished() -> None:
    memory, names = RefusalMemory(), ("x" * 1000 + "a", "x" * 1000 + "b")
    keys = [EndpointKey(TokenOptions(name), name, ("api.example.com" + name, 443), "/") for name in names]

    assert memory.judge_refusal(keys[0], "403 A", 1, 0.0)
    assert not memory.judge_refusal(keys[0], "403 A", 2, 1.0, retried=True)
    assert not memory.judge_refusal(keys[0], "403 A", 2, 2.0)
    assert memory.judge_refusal(keys[1], "403 A", 3, 3.0)


def test_the_number_of_accounts_with_remembered_refusals_is_bounded(clock: Clock) -> None:
    asked: list[str] = []

    def limiter_of(account: str) -> ProcessLimiter:
        asked.append(account)
        return ProcessLimiter()

    handler = RevocationHandler(PRIO_REFUSALS, clock)
    handler.limiter_of_account = limiter_of
    others = [str(number) for number in range(MEMORIES_LIMIT - 1)]
    for account in ("a", *others, "a", "b", *others, "a"):
        exchange = Exchange(Request(URL("/orders")), {})
        exchange.options, exchange.refusal = TokenOptions(account=account), REFUSED
        exchange.token = AccessToken(Secret("token"))
        handler.on_response(exchange, Response(403))

    assert asked == ["a", *others, "b", "a"]  # The oldest one was forgotten for the last.


def test_accounts_that_are_rejected_at_the_same_time_do_not_disturb_each_other(clock: Clock) -> None:
    """Each account has its own lock, and they share the backlog of successes."""
    accounts = ["a", "b"]

    class Templates(PathTemplates):
        def of(self, path: str) -> str:
            if len(accounts) > 1:  # Another thread is refused while this one reads the backlog.
                accounts.pop()
                refused("b")
            return path

    def call(account: str, status: int) -> Verdict | None:
        exchange = Exchange(Request(URL("/orders")), {})
        exchange.options, exchange.token = TokenOptions(account=account), AccessToken(Secret("token"))
        exchange.refusal = REFUSED if status == 403 else None
        return handler.on_response(exchange, Response(status))

    def refused(account: str) -> Verdict | None:
        return call(account, 403)

    handler = RevocationHandler(PRIO_REFUSALS, clock, templates=Templates(()))
    for account in ("a", "b", "b"):
        call(account, 200)

    assert refused("a") is AGAIN
