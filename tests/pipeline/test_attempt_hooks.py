"""Request hooks that run for each attempt: those of the components after the token provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prio_middleware import (
    AccessToken,
    CallerAuthorizationError,
    Exchange,
    HeaderInjector,
    HTTPSEnforcer,
    Pipeline,
    Secret,
    StaticHeaders,
    StaticTokenProvider,
)

PROVIDER = StaticTokenProvider("fixed")
TOKEN = AccessToken(Secret("ours"))
OWN = {"Authorization": "Basic own"}
INJECTOR = HeaderInjector()


def pipeline(inner: list[Any], *, outer: list[Any] | None = None) -> Pipeline:
    return Pipeline([*(outer or []), PROVIDER, *inner], waive=["https_enforcer", "origin_guard"])


def attempt(inner: list[Any], *, own: dict[str, str] | None = None, outer: list[Any] | None = None, **fields: Any) -> Exchange:
    """Run the hooks for an attempt with a token, after a component before the provider wrote an ``App-Name``."""
    request = httpx.Request("GET", "https://api.example/orders", headers=own or {})
    call = Exchange(request, httpx.Headers([*request.headers.raw, (b"App-Name", b"shop")]), "shop")
    call.token = TOKEN
    made = pipeline(inner, outer=outer)
    call.caller_authorization = made.caller_authorization
    for name, value in fields.items():
        setattr(call, name, value)
    for on_request in made.inner_requests:
        on_request(call)
    return call


def sent(call: Exchange) -> tuple[str | None, str | None]:
    return call.headers.get("authorization"), call.headers.get("app-name")


class Act:
    """Component that does something with the exchange."""

    def __init__(self, act: Callable[[Exchange], None] = lambda exchange: None) -> None:
        self.act = act

    def on_request(self, exchange: Exchange) -> None:
        self.act(exchange)

    def on_response(self, exchange: Exchange, response: object) -> None:
        pass


class Listener:
    def on_response(self, exchange: Exchange, response: object) -> None:
        pass


class SilentInjector(HeaderInjector):
    def on_request(self, exchange: Exchange) -> None:
        pass


def drop_token(exchange: Exchange) -> None:
    exchange.token = None


def drop_options(exchange: Exchange) -> None:
    exchange.options = None


def remove(exchange: Exchange) -> None:
    exchange.headers.pop("authorization", None)


def change(exchange: Exchange) -> None:
    exchange.headers["authorization"] = "Basic changed"


def test_the_injector_runs_as_it_is_if_it_is_the_only_one_and_built_in(subtests: pytest.Subtests) -> None:
    assert pipeline([INJECTOR]).inner_requests == (INJECTOR.on_request,)
    rows: list[list[Any]] = [[SilentInjector()], [Act()], [Act(), INJECTOR], [INJECTOR, INJECTOR]]
    for inner in rows:
        with subtests.test(f"{[type(one).__name__ for one in inner]}"):
            [hook] = pipeline(inner).inner_requests
            assert hook not in [one.on_request for one in inner]


def test_a_component_may_send_the_request_without_the_token(subtests: pytest.Subtests) -> None:
    for act in [Exchange.bypass, drop_token, drop_options]:
        with subtests.test(act.__name__):
            call = attempt([Act(act), INJECTOR])
            assert sent(call) == (None, None)
            assert (call.token, call.options, call.bypassed) == (None, None, True)


def test_otherwise_it_is_sent_with_the_token(subtests: pytest.Subtests) -> None:
    rows: list[list[Any]] = [[INJECTOR], [Act(), INJECTOR], [INJECTOR, Act()]]
    for row, inner in enumerate(rows):
        with subtests.test(f"{row}"):
            call = attempt(inner)
            assert sent(call) == ("Bearer ours", "shop")
            assert (call.token, call.bypassed) == (TOKEN, False)


def test_a_request_without_a_token_keeps_its_headers_unless_it_bypasses() -> None:
    assert sent(attempt([Act(), INJECTOR], token=None, options=None)) == (None, "shop")
    assert sent(attempt([Act(Exchange.bypass), INJECTOR], token=None, options=None)) == (None, None)
    assert sent(attempt([Act(Exchange.bypass)])) == (None, None)


def test_the_response_of_a_bypass_is_for_the_components_before_it() -> None:
    outer, before, bypass, after = Act(), Act(), Act(Exchange.bypass), Act()
    call = attempt([before, bypass, after, INJECTOR], outer=[outer])
    assert call.response_hooks == (bypass.on_response, before.on_response, outer.on_response)


def test_without_a_token_the_callers_header_is_sent_and_the_other_components_run() -> None:
    assert sent(attempt([Act(drop_token), INJECTOR], own=OWN)) == ("Basic own", "shop")
    assert sent(attempt([Act(drop_token), Act(remove), INJECTOR], own=OWN)) == (None, "shop")
    with pytest.raises(CallerAuthorizationError):
        attempt([Act(drop_token), HeaderInjector("refuse")], own=OWN)


def test_the_callers_header_is_sent_as_components_before_the_injector_left_it() -> None:
    assert sent(attempt([Act(), INJECTOR], own=OWN)) == ("Basic own", "shop")
    assert sent(attempt([Act(change), INJECTOR], own=OWN)) == ("Basic changed", "shop")
    assert sent(attempt([Act(remove), INJECTOR], own=OWN)) == ("Bearer ours", "shop")


def test_the_callers_header_is_saved_only_if_a_component_of_another_package_may_change_it(subtests: pytest.Subtests) -> None:
    built_in = StaticHeaders({"X-Key": "1"})
    rows: list[tuple[list[Any], list[Any], bool]] = [
        ([], [], False),
        ([built_in], [], False),
        ([Listener()], [], False),
        ([built_in], [HTTPSEnforcer()], False),
        ([Act()], [], True),
        ([built_in], [Act()], True),
        ([], [HTTPSEnforcer(), Act()], True),
    ]
    for outer, inner, is_saved in rows:
        with subtests.test(f"{[type(one).__name__ for one in (*outer, *inner)]}"):
            call = attempt([*inner, INJECTOR], own=OWN, outer=outer)
            assert (call.saved_authorization is not None) is is_saved
            assert sent(call) == ("Basic own", "shop")
