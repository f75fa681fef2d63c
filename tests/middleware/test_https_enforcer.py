from __future__ import annotations

import pytest

from prio_middleware.errors import ConfigurationError, InsecureTransportError
from prio_middleware.middleware import HTTPSEnforcer

from .conftest import MakeExchange

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    "url", ["https://api.example.com", "HTTPS://api.example.com", "https://127.0.0.1", "wss://api.example.com"]
)
def test_secure_requests_pass(exchange_for: MakeExchange, url: str) -> None:
    HTTPSEnforcer().on_request(exchange_for(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/products",
        "HTTP://api.example.com",
        "http://api.example.com:443",
        "ws://api.example.com",
        "ftp://api.example.com",
        "api.example.com",
        "/products",
        "",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]",
    ],
)
def test_everything_else_is_refused(exchange_for: MakeExchange, url: str) -> None:
    with pytest.raises(InsecureTransportError) as caught:
        HTTPSEnforcer().on_request(exchange_for(url))
    assert caught.value.client == "berlin"
    assert "https://" in caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "HTTP://LOCALHOST",
        "http://127.0.0.1:8000",
        "http://user@127.0.0.1",
        "http://[::1]:8000",
        "http://[0:0:0:0:0:0:0:1]",
        "ws://localhost",
    ],
)
def test_a_loopback_host_passes_where_it_is_named(exchange_for: MakeExchange, url: str) -> None:
    HTTPSEnforcer(LOOPBACK).on_request(exchange_for(url))


@pytest.mark.parametrize(
    "url",
    [
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
        "ftp://localhost",
    ],
)
def test_what_only_looks_like_a_named_host_is_refused(exchange_for: MakeExchange, url: str) -> None:
    with pytest.raises(InsecureTransportError):
        HTTPSEnforcer(LOOPBACK).on_request(exchange_for(url))


def test_another_machine_cannot_be_named() -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        HTTPSEnforcer(["api.example.com"])


def test_the_error_shows_neither_password_nor_query(exchange_for: MakeExchange) -> None:
    with pytest.raises(InsecureTransportError) as caught:
        HTTPSEnforcer().on_request(exchange_for("http://user:canary@api.example.com/p?key=canary"))
    assert caught.value.url == "http://api.example.com/p"
    trace = caught.traceback[-1]
    assert "canary" not in str(caught.value) + repr(trace.frame.f_locals)
