from __future__ import annotations

from typing import Any

import pytest

from prio_middleware.middleware import HeaderInjector
from prio_middleware.pipeline import Exchange
from prio_middleware.secret import Secret
from prio_middleware.tokens.token import AccessToken

from .conftest import MakeExchange


def test_the_token_is_presented_with_its_type(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("abc"), "bearer")
    HeaderInjector().on_request(exchange)
    headers: Any = exchange.headers
    assert headers.raw[-1] == (b"Authorization", b"bearer abc")


def test_nobody_looks_for_a_header_of_the_caller_s_where_none_was_replaced(
    exchange_for: MakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exchange, "give_way", lambda _: pytest.fail("every call would pay for the look"))
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)


def test_a_second_attempt_replaces_the_first_one_s_token(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("old"))
    HeaderInjector().on_request(exchange)
    exchange.begin_second(AccessToken(Secret("new")))
    HeaderInjector().on_request(exchange)
    assert [value for name, value in exchange.headers.items() if name.lower() == "authorization"] == ["Bearer new"]


def test_the_caller_s_own_request_stays_as_it_is(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)
    assert "authorization" not in exchange.request.headers  # type: ignore[attr-defined]  # components need not see them


def test_a_request_without_a_token_of_ours_is_left_alone(exchange_for: MakeExchange) -> None:
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


def test_what_another_component_wrote_there_is_replaced(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com")
    exchange.headers["Authorization"] = "Basic a component's"
    exchange.token = AccessToken(Secret("abc"))
    HeaderInjector().on_request(exchange)
    assert exchange.headers["Authorization"] == "Bearer abc"
