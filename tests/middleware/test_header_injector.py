from __future__ import annotations

from typing import Any

import pytest

from prio_middleware._util.secret import Secret
from prio_middleware.errors import ConfigurationError
from prio_middleware.middleware import HeaderInjector
from prio_middleware.oauth.access_token import AccessToken
from prio_middleware.pipeline.exchange import Exchange

from .conftest import MakeExchange


def test_the_token_is_presented_with_its_type(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("abc"), "bearer")
    HeaderInjector().on_request(exchange)
    headers: Any = exchange.headers
    assert headers.raw[-1] == (b"Authorization", b"bearer abc")


class Watched(Exchange):
    """Exchange that counts the checks of the caller's header."""

    looks = 0

    def use_caller_authorization(self) -> bool:
        self.looks += 1
        return super().use_caller_authorization()


def test_the_header_of_the_caller_is_searched_only_where_one_was_replaced(library: Any) -> None:
    looks = []
    for headers in ({}, {"Authorization": "Basic own"}):
        request = library.Request("GET", "https://api.example.com", headers=headers)
        exchange = Watched(request, library.Headers(request.headers))
        exchange.token = AccessToken(Secret("abc"))
        HeaderInjector().on_request(exchange)
        looks.append(exchange.looks)
    assert looks == [0, 1]


def test_a_second_attempt_replaces_the_first_one_s_token(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("old"))
    HeaderInjector().on_request(exchange)
    exchange.start_retry(AccessToken(Secret("new")))
    HeaderInjector().on_request(exchange)
    assert [value for name, value in exchange.headers.items() if name.lower() == "authorization"] == ["Bearer new"]


def test_the_caller_s_own_request_stays_as_it_is(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)
    assert "authorization" not in exchange.request.headers  # type: ignore[attr-defined]  # components need not see them


def test_a_request_that_bypasses_the_token_is_unchanged(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com", headers={"Authorization": "Basic own"})
    HeaderInjector().on_request(exchange)
    assert exchange.headers["Authorization"] == "Basic own"


def test_the_caller_s_own_header_is_sent_instead(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com", headers=[("authorization", "Basic own"), ("Accept", "*/*")])
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)
    assert exchange.headers["Authorization"] == "Basic own"
    assert exchange.headers["Accept"] == "*/*"
    assert exchange.token is None


def test_the_caller_s_own_header_is_replaced_where_that_is_asked_for(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com", headers=[("authorization", "Basic own"), ("AUTHORIZATION", "Basic 2")])
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector("replace").on_request(exchange)
    assert exchange.headers["Authorization"] == "Bearer abc"


def test_another_choice_is_none() -> None:
    with pytest.raises(ConfigurationError, match="'keep', 'replace', 'refuse'"):
        HeaderInjector("drop")  # type: ignore[arg-type]  # that is the mistake


def test_what_another_component_wrote_there_is_replaced(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.headers["Authorization"] = "Basic a component's"
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)
    assert exchange.headers["Authorization"] == "Bearer abc"
