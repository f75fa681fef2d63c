from __future__ import annotations

import pytest

from prio_middleware.errors import ConfigurationError, InsecureTransportError, UnsupportedProtocolError
from prio_middleware.middleware import HTTPSEnforcer

from .conftest import MakeExchange

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def test_secure_requests_pass(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in ["https://api.example.com", "HTTPS://api.example.com", "https://127.0.0.1", "wss://api.example.com"]:
        with subtests.test(f"{url}"):
            HTTPSEnforcer().on_request(exchange_for(url))


INSECURE: list[str] = [
    "http://api.example.com/products",
    "HTTP://api.example.com",
    "http://api.example.com:443",
    "ws://api.example.com",
    "http://localhost:8000",
    "http://127.0.0.1",
    "http://[::1]",
]


def test_everything_else_is_refused(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in INSECURE:
        with subtests.test(f"{url}"):
            with pytest.raises(InsecureTransportError) as caught:
                HTTPSEnforcer().on_request(exchange_for(url))
            assert caught.value.client == "berlin"
            assert "https://" in caught.value.remedy


NAMED: list[str] = [
    "http://localhost:8000",
    "HTTP://LOCALHOST",
    "http://127.0.0.1:8000",
    "http://user@127.0.0.1",
    "http://[::1]:8000",
    "http://[0:0:0:0:0:0:0:1]",
    "ws://localhost",
]


def test_a_loopback_host_passes_where_it_is_named(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in NAMED:
        with subtests.test(f"{url}"):
            HTTPSEnforcer(LOOPBACK).on_request(exchange_for(url))


LOOK_ALIKES: list[str] = [
    "http://127.0.0.1@evil.test",
    "http://127.0.0.1:80@evil.test",
    "http://127.0.0.1.evil.test",
    "http://localhost.evil.test",
    "http://localhost.",
    "http://127.0.0.2",
    "http://127.1",
    "http://2130706433",
    "http://[::ffff:127.0.0.1]",
    "http://evil.test#@127.0.0.1",
    "http://evil.test\\@127.0.0.1.evil.test",
    "http://löcalhost",
]


def test_a_host_that_resembles_a_named_host_is_blocked(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in LOOK_ALIKES:
        with subtests.test(f"{url}"), pytest.raises(InsecureTransportError):
            HTTPSEnforcer(LOOPBACK).on_request(exchange_for(url))


def test_what_is_no_http_is_blocked_for_that(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in ["ftp://api.example.com", "ftp://localhost", "api.example.com", "/products", ""]:
        with subtests.test(f"{url!r}"):
            with pytest.raises(UnsupportedProtocolError) as caught:
                HTTPSEnforcer(LOOPBACK).on_request(exchange_for(url))
            assert caught.value.client == "berlin"


def test_another_machine_cannot_be_named() -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        HTTPSEnforcer(["api.example.com"])


def test_the_error_shows_neither_password_nor_query(exchange_for: MakeExchange) -> None:
    with pytest.raises(InsecureTransportError) as caught:
        HTTPSEnforcer().on_request(exchange_for("http://user:canary@api.example.com/p?key=canary"))
    assert caught.value.url == "http://api.example.com/p"
    trace = caught.traceback[-1]
    assert "canary" not in str(caught.value) + repr(trace.frame.f_locals)
