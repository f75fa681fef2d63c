"""Accounts of one token provider, without a client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import anyio
import pytest

from prio_middleware import (
    AccessToken,
    AccountCredentials,
    Accounts,
    ClientClosedError,
    ClientCredentialsProvider,
    ConfigurationError,
    CredentialsRefusedError,
    TokenEndpointUnavailableError,
    TokenOptions,
    UnknownAccountError,
)
from prio_middleware.build.token_provider import load_resolver
from prio_middleware.oauth.accounts import (
    CALL_POLL_SECONDS,
    NAME_LIMIT,
    Resolution,
    ResolverCalls,
    check_resolver,
    name_problem,
)
from prio_middleware.oauth.effects import Call, Pause, Post
from prio_middleware.oauth.provider import REJECTED_VALUES_LIMIT
from prio_middleware.oauth.single_flight import Crash
from prio_middleware.oauth.token_request import TokenEndpoint, TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from prio_middleware.telemetry.counters import ClientCounters
from tests.oauth.helpers import TIMEOUT, Clock, Server, SlowServer, endpoint, inline, play, provider, refused, token, wait_for

BERLIN = TokenOptions(account="berlin")


def with_accounts(*names: str, limit: int = 10) -> ClientCredentialsProvider:
    known = {name: provider() for name in names}
    tokens = provider()
    tokens.accounts = Accounts(known.get, limit=limit)
    return tokens


def test_a_provider_serves_its_accounts() -> None:
    server = Server(token(), token())
    tokens = with_accounts("berlin")
    own, berlin = tokens.get_token(TokenOptions(), None, server), tokens.get_token(BERLIN, None, server)

    assert own.value != berlin.value
    assert tokens.current(BERLIN._replace(scope="other"), None) is None
    assert tokens.get_token(BERLIN, None, server) is berlin
    assert tokens.current(BERLIN, None) is berlin
    assert tokens.current(TokenOptions(), None) is own


@pytest.mark.anyio
async def test_a_provider_serves_its_accounts_in_tasks(anyio_backend: str) -> None:
    server = Server(token())

    async def send(request: TokenRequest) -> TokenResponse:
        return server(request)

    tokens = with_accounts("berlin")

    assert await tokens.aget_token(BERLIN, None, send) is tokens.current(BERLIN, None) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("options", [TokenOptions(), BERLIN])
async def test_an_async_caller_waits_no_longer_than_it_says(anyio_backend: str, options: TokenOptions) -> None:
    async def never(request: TokenRequest) -> TokenResponse:
        await anyio.sleep_forever()
        return token()

    tokens = with_accounts("berlin")
    with anyio.fail_after(TIMEOUT / 2), pytest.raises(TokenEndpointUnavailableError):
        await tokens.aget_token(options, None, never, max_wait=0.02)
    await tokens.arelease(never, keep=False)


def test_a_sync_caller_of_an_account_waits_no_longer_than_it_says() -> None:
    tokens, server = with_accounts("berlin"), SlowServer()
    started = time.monotonic()
    with pytest.raises(TokenEndpointUnavailableError):
        tokens.get_token(BERLIN, None, server, max_wait=0.02)
    server.gate.set()

    assert time.monotonic() - started < TIMEOUT / 2


def test_a_rejected_token_of_an_account_is_replaced() -> None:
    tokens, server = with_accounts("berlin"), Server(token(), token())
    first = tokens.get_token(BERLIN, None, server)
    assert tokens.current(BERLIN, first) is None
    second = tokens.get_token(BERLIN, first, server)

    assert second.serial > first.serial
    assert tokens.current(BERLIN, first) is second


@pytest.mark.anyio
async def test_a_rejected_token_of_an_account_is_replaced_for_async_callers(anyio_backend: str) -> None:
    server, tokens = Server(token(), token()), with_accounts("berlin")

    async def send(request: TokenRequest) -> TokenResponse:
        return server(request)

    first = await tokens.aget_token(BERLIN, None, send)
    second = await tokens.aget_token(BERLIN, first, send)

    assert second.serial > first.serial


def test_a_provider_without_accounts_sends_no_token_of_its_own() -> None:
    tokens, server = provider(), Server(token())
    tokens.get_token(TokenOptions(), None, server)

    assert tokens.current(BERLIN, None) is None
    with pytest.raises(UnknownAccountError) as caught:
        tokens.get_token(BERLIN, None, server)
    assert caught.value.client == "shop"
    assert "'berlin'" in caught.value.message
    assert caught.value.message.endswith(".")


def test_the_error_for_an_unknown_account_names_the_client_and_the_reason(subtests: pytest.Subtests) -> None:
    accounts = Accounts(lambda _: None, client="shop")
    for name in ("berlin", "", "n" * 40, "n" * 41, "n" * 257, "line\nbreak"):
        with subtests.test(name=name):
            with pytest.raises(UnknownAccountError) as caught:
                accounts.provider(name)
            assert caught.value.client == "shop"
            assert (repr(name) if len(name) <= 40 else f"'{name[:40]}...'") in caught.value.message
            assert caught.value.message.endswith(".")


def test_the_number_of_accounts_is_bounded() -> None:
    server = Server(*(token() for _ in range(5)))
    tokens = with_accounts("a", "b", "c", limit=2)
    for name in ("a", "b", "a", "b", "a", "c", "c"):  # The second use of an account keeps it.
        tokens.get_token(TokenOptions(account=name), None, server)

    assert tokens.current(TokenOptions(account="a"), None)
    assert tokens.current(TokenOptions(account="b"), None) is None


def test_accounts_that_are_not_confirmed_push_each_other_out() -> None:
    found = {name: with_accounts() for name in ("a", "b", "c")}
    for account in found.values():
        account.is_resolved = False
    finds: list[str] = []

    def find(name: str) -> ClientCredentialsProvider | None:
        finds.append(name)
        return found.get(name)

    accounts = Accounts(find, limit=2)
    for name in ("a", "b", "b"):
        assert accounts.provider(name) is found[name]
    assert accounts.active() == [found["a"], found["b"]]
    found["a"].is_resolved = True  # Used meanwhile.
    accounts.provider("c")

    assert accounts.active() == [found["a"], found["b"], found["c"]]
    assert finds == ["a", "b", "c"]
    with pytest.raises(UnknownAccountError) as caught:
        accounts.provider("d")
    assert caught.value.client == "default"


def test_at_least_one_account_is_kept() -> None:
    tokens = with_accounts("a", "b", limit=0)
    assert tokens.accounts
    for name in ("a", "b"):
        tokens.accounts.provider(name)

    assert tokens.accounts.active() == [tokens.accounts.provider("b")]


def test_a_name_that_no_account_can_have_is_not_searched_for(subtests: pytest.Subtests) -> None:
    accounts = Accounts(lambda name: pytest.fail(f"{name!r} is searched for."))
    for name in ("", "two\nlines", "n" * (NAME_LIMIT + 1)):
        with subtests.test(name=name), pytest.raises(UnknownAccountError):
            accounts.provider(name)


def test_the_longest_name_of_an_account() -> None:
    assert name_problem("n" * NAME_LIMIT) is None
    assert name_problem("n" * (NAME_LIMIT + 1))


def test_closing_a_client_ends_the_fetches_of_its_accounts() -> None:
    tokens, server = with_accounts("berlin"), SlowServer()
    errors: list[Exception] = []

    def call() -> None:
        try:
            tokens.get_token(BERLIN, None, server)
        except ClientClosedError as error:
            errors.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    server.arrived.wait()
    closing = threading.Thread(target=lambda: tokens.release(server, keep=False))
    closing.start()
    caller.join(30)
    server.gate.set()
    closing.join(30)

    assert len(errors) == 1


@pytest.mark.pitfall(id="closed-client")
def test_closing_a_client_keeps_the_fetch_of_an_account_for_which_another_client_waits() -> None:
    tokens, closed, other = with_accounts("berlin"), SlowServer(), Server()
    account = tokens.of_account("berlin")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tokens.get_token, BERLIN, None, closed)
        closed.arrived.wait()
        second = pool.submit(tokens.get_token, BERLIN, None, other)
        wait_for(lambda: account.counters.waiting == 1)
        kept = tokens.stop_fetches(closed, keep=True)
        with pytest.raises(ClientClosedError):
            first.result(TIMEOUT)
        closed.gate.set()
        assert isinstance(second.result(TIMEOUT), AccessToken)

    assert kept == []
    assert (len(closed.requests), len(other.requests)) == (1, 0)


def test_credentials_that_the_server_refuses_are_resolved_again(subtests: pytest.Subtests) -> None:
    def tokens_of(*secrets: str) -> ClientCredentialsProvider:
        left = list(secrets)
        return provider(
            resolution=Resolution(
                "berlin",
                lambda name: AccountCredentials(name, "id", left.pop(0)) if left else None,
                lambda found: endpoint(str(found.client_secret.reveal())),  # type: ignore[union-attr] # it is a Secret
                client="shop",
            )
        )

    with subtests.test("others are used at once"):
        server = Server(refused("invalid_client", 401), token())
        assert isinstance(tokens_of("old", "new").get_token(TokenOptions(), None, server), AccessToken)
        assert len(server.requests) == 2
    for secrets in (("old", "old"), ("old",)):
        with subtests.test("no others", secrets=secrets):
            server = Server(refused("invalid_client", 401))
            with pytest.raises(CredentialsRefusedError):
                tokens_of(*secrets).get_token(TokenOptions(), None, server)
            assert len(server.requests) == 1


def test_credentials_that_did_not_change_keep_the_tokens() -> None:
    clock, server, asked = Clock(), Server(token(), token()), []

    def load(name: str) -> AccountCredentials:
        asked.append(name)
        return AccountCredentials(name, "id", "secret")

    resolution = Resolution("berlin", load, lambda _: endpoint(), client="shop", ttl=1.0, clock=clock)
    tokens = provider(clock, resolution=resolution)
    tokens.get_token(TokenOptions(scope="a"), None, server)
    clock.now += 2
    tokens.get_token(TokenOptions(scope="b"), None, server)

    assert asked == ["berlin"] * 2
    assert tokens.current(TokenOptions(scope="a"), None)


def load_secret(name: str) -> AccountCredentials:
    return AccountCredentials(name, "id", "canary")


def resolution_of(load: Any = load_secret, **options: Any) -> Resolution:
    return Resolution("berlin", load, lambda _: endpoint(), client="shop", **options)


def ended(steps: Any, result: object = None) -> Any:
    with pytest.raises(StopIteration) as stop:
        steps.send(result)
    return stop.value.value


def test_a_resolver_has_until_the_deadline(subtests: pytest.Subtests) -> None:
    clock = Clock()
    for seconds in (5.0, 0.0, -1.0):
        with subtests.test(seconds=seconds):
            resolution = resolution_of(clock=clock)
            steps = resolution.resolve(clock.now + seconds, force=False)
            call = next(steps)

            assert isinstance(call, Call)
            assert (call.function, call.argument, call.seconds) == (load_secret, "berlin", max(seconds, 0.0))
            assert isinstance(ended(steps, AccountCredentials("berlin", "id", "canary", "read", "api")), TokenEndpoint)
            assert resolution.options == TokenOptions("read", "api")


def test_a_resolver_is_called_again_once_its_credentials_are_too_old() -> None:
    clock = Clock()
    resolution = resolution_of(clock=clock, ttl=10.0)
    call: Any = next(steps := resolution.resolve(clock.now + 5, force=False))
    call.ended()
    ended(steps, load_secret("berlin"))
    clock.now += 9.5
    assert ended(resolution.resolve(clock.now + 5, force=False)) is None
    clock.now += 0.5

    assert isinstance(next(resolution.resolve(clock.now + 5, force=False)), Call)


def test_a_resolver_is_not_called_after_the_deadline_while_an_earlier_call_has_not_ended() -> None:
    clock, calls = Clock(), ResolverCalls()
    calls.begin("berlin")
    waits = resolution_of(clock=clock, calls=calls).resolve(clock.now + 0.5, force=False)
    assert next(waits) == Pause(CALL_POLL_SECONDS)
    error = ended(resolution_of(clock=clock, calls=calls).resolve(clock.now, force=False))

    assert type(error) is TokenEndpointUnavailableError


def test_the_error_of_a_resolver_names_client_and_account_and_no_value(subtests: pytest.Subtests) -> None:
    rows: list[tuple[object, str]] = [
        (None, "'berlin'"),
        (AccountCredentials("paris", "id", "canary"), "another account"),
        (Crash(TimeoutError()), " 5.0 s"),
        (Crash(ValueError("canary")), " ValueError"),
        ("canary", " str,"),
    ]
    for found, reason in rows:
        with subtests.test(found=found):
            clock = Clock()
            steps = resolution_of(clock=clock).resolve(clock.now + 5, force=False)
            next(steps)
            error = ended(steps, found)

            assert type(error) is (UnknownAccountError if found is None else TokenEndpointUnavailableError)
            assert error.client == "shop"
            assert error.remedy
            assert error.remedy != TokenEndpointUnavailableError.default_remedy
            assert reason in error.message
            assert error.message.endswith(".")
            assert "'berlin'" in error.message
            assert "canary" not in str(error)


def test_credentials_of_an_account_that_cannot_be_used_are_described() -> None:
    def no_endpoint(_: AccountCredentials) -> TokenEndpoint:
        raise ConfigurationError("The client_id must not end with X.")

    steps = Resolution("berlin", load_secret, no_endpoint, client="shop").resolve(time.monotonic() + 5, force=False)
    next(steps)
    error = ended(steps, load_secret("berlin"))

    assert type(error) is TokenEndpointUnavailableError
    assert "The client_id must not end with X (" in error.message


def test_a_resolver_that_fails_is_not_called_again_for_the_same_options_at_once() -> None:
    calls: list[str] = []

    def fails(name: str) -> None:
        calls.append(name)
        raise RuntimeError

    tokens, server = provider(resolution=resolution_of(fails)), Server()
    for expected, options in ((1, TokenOptions()), (1, TokenOptions()), (2, TokenOptions(scope="other"))):
        with pytest.raises(TokenEndpointUnavailableError) as caught:
            tokens.get_token(options, None, server)
        assert len(calls) == expected
        assert caught.value.message
    assert server.requests == []


def test_a_resolver_is_called_once_for_several_tokens_and_may_name_a_scope() -> None:
    calls: list[str] = []

    def load(name: str) -> AccountCredentials:
        calls.append(name)
        return AccountCredentials(name, "id", "canary", scope="of-the-account")

    tokens, server = provider(resolution=resolution_of(load)), Server()
    first = tokens.get_token(TokenOptions(), None, server)
    tokens.get_token(TokenOptions(), first, server)

    assert calls == ["berlin"]
    assert [b"scope=of-the-account" in request.body for request in server.requests] == [True, True]


def test_an_account_that_exists_has_counters_of_its_own() -> None:
    mine = ClientCounters("shop")
    tokens = provider(resolution=resolution_of(counters=lambda: mine))
    assert tokens.counters is not mine
    tokens.get_token(TokenOptions(), None, Server())

    assert tokens.counters is mine


def test_credentials_of_an_account_are_texts(subtests: pytest.Subtests) -> None:
    good: dict[str, Any] = {"account": "berlin", "client_id": "id", "client_secret": "secret"}
    for name in (*good, "scope", "audience"):
        with subtests.test(name=name), pytest.raises(TypeError, match=f"{name}.*bytes"):
            AccountCredentials(**(good | {name: cast("Any", b"canary")}))


def test_a_resolver_takes_the_name_of_an_account(subtests: pytest.Subtests) -> None:
    check_resolver(load_secret, "shop")
    for wrong in (lambda: None, 7):
        with subtests.test(wrong=wrong):
            with pytest.raises(ConfigurationError) as caught:
                check_resolver(wrong, "shop")
            assert caught.value.client == "shop"
            assert type(wrong).__name__ in caught.value.message
            assert (caught.value.remedy or "").startswith("Give a function")


def test_callers_that_wait_while_an_account_is_resolved_again_wait_for_the_same_fetch() -> None:
    clock, found = Clock(), AccountCredentials("berlin", "id", "new")
    resolution = Resolution("berlin", load_secret, lambda it: endpoint(repr(it is found)), client="shop", clock=clock)
    tokens = provider(clock, resolution=resolution)
    steps, waiter = (inline(tokens.acquire(TokenOptions(), None)) for _ in range(2))
    call: Any = next(steps)
    call.ended()
    waiting: Any = next(waiter)
    assert isinstance(steps.send(load_secret("berlin")), Post)
    assert isinstance(steps.send(refused("invalid_client", 401)), Call)

    assert isinstance(steps.send(found), Post)
    assert waiting.fetch.outcome is None
    assert ended(steps, token()) is tokens.current(TokenOptions(), None) is not None
    waiter.close()


def test_a_resolver_that_hangs_keeps_a_bounded_number_of_threads() -> None:
    calls, goes_on, asked = ResolverCalls(limit=2), threading.Event(), list[str]()

    def hangs(name: str) -> AccountCredentials:
        asked.append(name)
        goes_on.wait(30)
        return AccountCredentials(name, "id", "secret")

    def call(name: str) -> None:
        resolution = Resolution(name, hangs, lambda _: endpoint(), client="shop", calls=calls)
        tokens = provider(deadline_seconds=0.1, clock=time.monotonic, resolution=resolution)
        with pytest.raises(TokenEndpointUnavailableError):
            tokens.get_token(TokenOptions(), None, Server(), max_wait=0.1)

    try:
        for name in "aabc":  # A thread that hangs is not started again for a new provider of its account.
            call(name)
        assert asked == ["a", "b"]
    finally:
        goes_on.set()
    wait_for(lambda: not (calls.must_wait("a") or calls.must_wait("b") or calls.must_wait("c")))


def test_calls_of_the_parent_process_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ResolverCalls(limit=1)
    calls.begin("berlin")
    assert calls.must_wait("paris")
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert not calls.must_wait("paris")
    assert not calls.must_wait("berlin")


def test_rejected_tokens_are_remembered_within_bounds() -> None:
    clock = Clock()
    first = token()
    server = Server(first, *(token() for _ in range(REJECTED_VALUES_LIMIT)), first)
    tokens = provider(clock)
    for _ in range(REJECTED_VALUES_LIMIT + 1):
        found = play(tokens.acquire(TokenOptions(), None), server, clock)
        assert isinstance(found, AccessToken)
        tokens.invalidate(found)
    again = play(tokens.acquire(TokenOptions(), None), server, clock)

    assert isinstance(again, AccessToken)
    assert again.unchanged is None  # Long forgotten: it counts as new.


@pytest.mark.parametrize("path", ["no.such.module:load", "os:no_such_function", "os", "os:sep", "os:getpid"])
def test_a_resolver_that_cannot_be_loaded(path: str) -> None:
    with pytest.raises(ConfigurationError, match="accounts"):
        load_resolver(path, "shop")
