"""Composition of components, and the order of their hooks."""

from __future__ import annotations

import re
from typing import Any

import httpx
import httpx2
import pytest

from prio_middleware import (
    AccessToken,
    ConfigurationError,
    Exchange,
    HeaderInjector,
    Pipeline,
    RevocationHandler,
    Secret,
    StaticTokenProvider,
    Verdict,
)
from prio_middleware.httpx import AuthTransport
from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.rules import RFC6749_REFUSALS
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS, TokenOptions
from prio_middleware.oauth.static_token import NoTokenProvider
from prio_middleware.telemetry.counters import MetricsRegistry
from tests.oauth import helpers

PROVIDER = StaticTokenProvider("fixed")


def unguarded(components: list[Any], **options: Any) -> Pipeline:
    """Return a pipeline of these components, without guards."""
    return Pipeline(components, waive=["https_enforcer", "origin_guard"], **options)


class Note:
    """Component that records its calls."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def on_request(self, exchange: Exchange) -> None:
        self.notes.append(f"{self.name} request")

    def on_response(self, exchange: Exchange, response: object) -> None:
        self.notes.append(f"{self.name} response")


class Stop(Note):
    """Component that bypasses the pipeline."""

    def on_request(self, exchange: Exchange) -> None:
        super().on_request(exchange)
        exchange.bypass()


class Judge:
    refusal_statuses = frozenset({403})

    def on_response(self, exchange: Exchange, response: object) -> Verdict:
        return Verdict.REAUTHENTICATE


class Listener:
    """Response hook without refusal statuses."""

    def on_response(self, exchange: Exchange, response: object) -> None:
        pass


class Nothing:
    """Object without any hook."""

    def __repr__(self) -> str:
        return "Nothing()"


def exchange() -> Exchange:
    return Exchange(httpx.Request("GET", "https://api.example/"), {})


def send(pipeline: Pipeline) -> httpx.Response:
    """Send a request through the pipeline of a transport."""
    transport = AuthTransport(httpx.MockTransport(lambda _: httpx.Response(200)), pipeline=pipeline)
    return transport.handle_request(httpx.Request("GET", "https://api.example/"))


def test_requests_go_inwards_and_responses_outwards() -> None:
    notes: list[str] = []
    pipeline = unguarded([Note("outer", notes), Note("inner", notes), PROVIDER, Note("attempt", notes)])
    send(pipeline)

    assert notes == [
        "outer request",
        "inner request",
        "attempt request",
        "attempt response",
        "inner response",
        "outer response",
    ]


def test_what_stands_inside_the_provider_runs_for_each_attempt() -> None:
    notes: list[str] = []
    pipeline = unguarded([PROVIDER, Note("attempt", notes)])

    for on_request in pipeline.inner_requests:
        on_request(exchange())
    assert notes == ["attempt request"]


def test_a_request_that_bypasses_meets_only_the_components_before() -> None:
    notes: list[str] = []
    send(unguarded([Note("first", notes), Stop("guard", notes), Note("last", notes), PROVIDER, HeaderInjector()]))

    assert notes == ["first request", "guard request", "guard response", "first response"]


def test_only_a_rejected_token_needs_a_new_one(subtests: pytest.Subtests) -> None:
    for refusal, token, wanted in [
        (Refusal(403), AccessToken(Secret("t")), True),
        (Refusal(403, complete=False), AccessToken(Secret("t")), False),
        (None, AccessToken(Secret("t")), False),
        (Refusal(403), None, False),
    ]:
        with subtests.test(f"{refusal}, {token}"):
            pipeline = unguarded([Judge(), PROVIDER, HeaderInjector()])
            call = exchange()
            call.refusal, call.token = refusal, token
            call.reject_token()

            assert pipeline.refusal_statuses == {403}
            assert (call.rejected_token is not None) is wanted


WRONG: list[tuple[list[Any], str, str]] = [
    ([HeaderInjector()], "has 0", "exactly one token provider"),
    ([PROVIDER, HeaderInjector(), PROVIDER], "has 2", "exactly one token provider"),
    ([PROVIDER], "presents the token", "HeaderInjector()"),
    ([PROVIDER, HeaderInjector(), Judge(), Judge()], "Judge, Judge", "before the token provider"),
    ([Nothing(), PROVIDER, HeaderInjector()], "Nothing()", "before_send() and after_send()"),
    ([Judge, PROVIDER, HeaderInjector()], repr(Judge), "on_response(exchange, response)"),
]


def test_what_cannot_work_is_refused_at_once(subtests: pytest.Subtests) -> None:
    for components, about, cure in WRONG:
        with subtests.test(about):
            with pytest.raises(ConfigurationError) as caught:
                Pipeline(components)

            assert about in caught.value.message
            assert cure in caught.value.remedy
            assert re.fullmatch(r"[A-Z].*[^.?][.?]", caught.value.remedy)


def test_the_provider_is_the_one_in_the_list() -> None:
    assert unguarded([Judge(), PROVIDER, HeaderInjector()]).provider is PROVIDER


@pytest.mark.parametrize("function", ["get_token", "current"])
def test_what_has_but_one_function_of_a_provider_is_none(function: str) -> None:
    component = Note("half a provider", [])
    setattr(component, function, None)

    assert unguarded([component, PROVIDER, HeaderInjector()]).provider is PROVIDER


def test_the_caller_s_own_header_is_not_searched_where_the_injector_comes_first(subtests: pytest.Subtests) -> None:
    rows: list[tuple[list[Any], tuple[bool, str]]] = [
        ([HeaderInjector()], (False, "keep")),
        ([Listener(), HeaderInjector()], (False, "keep")),
        ([Note("presents the token", [])], (True, "keep")),
        ([Note("may write the header", []), HeaderInjector()], (False, "replace")),
        ([HeaderInjector("refuse")], (False, "refuse")),
        ([Note("may write the header", []), HeaderInjector("refuse")], (False, "replace")),
    ]
    for inside, early in rows:
        with subtests.test(f"{[type(one).__name__ for one in inside]}"):
            pipeline = unguarded([PROVIDER, *inside])
            assert (pipeline.checks_authorization_early, pipeline.caller_authorization) == early


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("own", "gave_way", "sent"),
    [
        ([], False, [(b"Authorization", b"Bearer ours"), (b"X", b"1")]),
        ([("AUTHORIZATION", "Basic own")], True, [(b"X", b"1"), (b"AUTHORIZATION", b"Basic own")]),
    ],
)
def test_the_caller_s_own_header_replaces_the_token(
    library: Any, own: list[tuple[str, str]], gave_way: bool, sent: list[tuple[bytes, bytes]]
) -> None:
    request = library.Request("GET", "https://api.example/", headers=own)
    call = Exchange(request, library.Headers([("Authorization", "Bearer ours"), ("X", "1")]))
    call.token = token = AccessToken(Secret("ours"))

    assert call.use_caller_authorization() is gave_way
    headers: Any = call.headers
    assert headers.raw == sent
    assert (call.token, call.options) == ((None, None) if gave_way else (token, DEFAULT_OPTIONS))


class Watching(Note):
    """Component that is also a send observer."""

    def before_send(self, request: object, *, for_token: bool) -> None:
        pass

    def after_send(self, request: object, status: int | None) -> None:
        pass


def test_send_observers_are_components_with_before_send_and_after_send() -> None:
    watcher, other = Watching("all", []), Note("hears requests only", [])

    assert unguarded([other, watcher, PROVIDER, HeaderInjector()]).send_observers == (watcher,)


def test_a_component_may_only_observe() -> None:
    class Observer:
        before_send, after_send = Watching.before_send, Watching.after_send

    observer: Any = Observer()
    assert unguarded([observer, PROVIDER, HeaderInjector()]).send_observers == (observer,)


def test_a_provider_may_omit_the_token() -> None:
    notes: list[str] = []
    pipeline = unguarded([Note("outer", notes), NoTokenProvider()])
    call = exchange()
    for on_request in pipeline.outer_requests:
        on_request(call)
    assert (notes, call.options) == (["outer request"], None)


def test_the_query_changes_if_a_component_changes_it() -> None:
    changing: Any = Note("writes a key into the query", [])
    changing.changes_query = True
    assert unguarded([changing, PROVIDER, HeaderInjector()]).changes_query is True
    assert unguarded([Note("other", []), PROVIDER, HeaderInjector()]).changes_query is False


def test_a_provider_without_counters_counts_under_the_name_of_its_client() -> None:
    assert unguarded([StaticTokenProvider("fixed", client="shop"), HeaderInjector()]).counters.name == "shop"


def test_a_pipeline_counts_under_the_name_of_its_client() -> None:
    registry = MetricsRegistry()
    pipeline = unguarded([helpers.provider(), HeaderInjector()], registry=registry)
    assert pipeline.counters is pipeline.provider.counters is registry.client("shop")


def test_without_a_registry_pipelines_of_one_name_do_not_share_their_counts() -> None:
    one, other = (unguarded([helpers.provider(), HeaderInjector()]) for _ in range(2))
    assert one.counters is one.provider.counters is not other.counters
    assert one.counters.name == other.counters.name == "shop"


def test_pipelines_of_one_provider_share_its_counts() -> None:
    provider = helpers.provider()
    one, other = (unguarded([provider, HeaderInjector()]) for _ in range(2))
    assert one.counters is other.counters is provider.counters


def test_components_that_count_count_for_the_pipelines_client() -> None:
    handler = RevocationHandler(RFC6749_REFUSALS)
    assert unguarded([handler, helpers.provider(), HeaderInjector()]).counters is handler.counters


def test_response_hooks_get_the_exchange_and_the_response() -> None:
    class Witness:
        def on_request(self, exchange: Exchange) -> None:
            self.exchange = exchange

        def on_response(self, *given: object) -> None:
            self.given = given

    witness = Witness()
    response = send(unguarded([witness, PROVIDER, HeaderInjector()]))

    assert witness.given == (witness.exchange, response)


def test_an_exchange_is_the_default_client_s_unless_named_and_has_two_attempts_at_most() -> None:
    call = exchange()
    assert (call.client, call.attempt, call.refusal) == ("default", 1, None)
    call.token, call.refusal = AccessToken(Secret("first")), Refusal(401)
    call.reject_token()
    assert call.rejected_token is call.token
    headers, second = call.headers, AccessToken(Secret("second"))
    call.start_retry(second)
    assert call.token is second
    assert call.headers == headers
    assert call.headers is not headers
    assert [vars(call)[name] for name in ("attempt", "rejected_token", "refusal")] == [2, None, None]


def test_the_repr_of_a_pipeline_shows_its_components() -> None:
    assert repr(unguarded([PROVIDER, HeaderInjector()])) == "Pipeline([StaticTokenProvider, HeaderInjector])"


class Rotated(StaticTokenProvider):
    """Token provider that has one earlier token."""

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        return (Secret(f"earlier token of {self.client}"),)


class Keyed(Note):
    """Component with secrets of its own."""

    recent_secrets = (Secret("key"), Secret("earlier key"))


def test_recent_secrets_are_those_of_the_components_and_of_one_token_provider() -> None:
    own, account = Rotated("fixed", client="shop"), Rotated("fixed", client="berlin")
    pipeline = unguarded([Keyed("outer", []), own, HeaderInjector()])
    for given, client in [((), "shop"), ((account,), "berlin")]:
        secrets = sorted(secret.reveal() for secret in pipeline.recent_secrets(*given))
        assert secrets == ["earlier key", f"earlier token of {client}", "key"]


def call_with_account(account: Any, extensions: dict[str, Any], options: TokenOptions | None) -> Exchange:
    """Run the outer request hooks of a pipeline whose calls use the account that ``account()`` returns."""
    request = httpx.Request("GET", "https://api.example/orders?key=1", extensions=extensions)
    call = Exchange(request, httpx.Headers(), "shop")
    call.options = options
    for on_request in unguarded([PROVIDER, HeaderInjector()]).with_account(account).outer_requests:
        on_request(call)
    return call


def test_the_account_of_a_function_is_for_calls_that_name_none(subtests: pytest.Subtests) -> None:
    scoped, paris = TokenOptions(scope="read"), TokenOptions(account="paris")
    rows: list[tuple[dict[str, Any], TokenOptions | None, TokenOptions | None]] = [
        ({}, DEFAULT_OPTIONS, TokenOptions(account="berlin")),
        ({}, scoped, TokenOptions(scope="read", account="berlin")),
        ({"prio": {}}, scoped, TokenOptions(scope="read", account="berlin")),
        ({"prio": {"token": True}}, scoped, TokenOptions(scope="read", account="berlin")),
        ({"prio": 3}, scoped, TokenOptions(scope="read", account="berlin")),  # An error of its own, later.
        ({"prio": {"account": "paris"}}, scoped, scoped),
        ({"prio": {"account": None}}, scoped, scoped),
        ({"prio": {"token": False}}, scoped, scoped),
        ({"prio": {}}, paris, paris),
        ({}, None, None),
    ]
    for extensions, options, expected in rows:
        with subtests.test(f"{extensions}, {options}"):
            calls = 0

            def account() -> str:
                nonlocal calls
                calls += 1
                return "berlin"

            assert call_with_account(account, extensions, options).options == expected
            assert calls == int(expected != options)


def test_a_function_may_leave_a_call_to_the_clients_own_account() -> None:
    assert call_with_account(lambda: None, {}, DEFAULT_OPTIONS).options == DEFAULT_OPTIONS


def test_an_account_that_is_no_name_is_an_error_of_the_call() -> None:
    with pytest.raises(ConfigurationError) as caught:
        call_with_account(lambda: 3, {}, DEFAULT_OPTIONS)
    error = caught.value
    assert (error.client, error.url) == ("shop", "https://api.example/orders")
    assert "int" in error.message
    assert "None" in error.remedy


def test_an_account_of_a_function_leaves_the_first_pipeline_as_it_is() -> None:
    first = unguarded([PROVIDER, HeaderInjector()])
    second = first.with_account(lambda: "berlin")
    assert (first.outer_requests, len(second.outer_requests)) == ((), 1)
    assert second.counters is first.counters
