from __future__ import annotations

import pytest

from prio_middleware._util.plain_http import insecure_url, is_loopback, loopback_names
from prio_middleware.errors import ConfigurationError, InsecureTransportError

ALL = ("localhost", "127.0.0.1", "::1")


def test_secure_urls_are_fine(subtests: pytest.Subtests) -> None:
    for url in ["https://api.example.com/oauth2/token", "HTTPS://127.0.0.1:8443", "wss://api.example.com"]:
        with subtests.test(f"{url}"):
            assert insecure_url(url) is None


NAMED: list[tuple[str, list[str]]] = [
    ("http://localhost:8000/token", ["localhost"]),
    ("HTTP://LocalHost/token", ["LOCALHOST"]),
    ("http://127.0.0.1", ["127.0.0.1"]),
    ("http://127.9.9.9", ["127.9.9.9"]),
    ("http://[::1]:8000", ["::1"]),
    ("http://[::1]:8000", ["[::1]"]),
    ("http://[0:0:0:0:0:0:0:1]", ["::1"]),
    ("http://[::1]", ["0:0:0:0:0:0:0:1"]),
    ("ws://localhost:8000/live", ["localhost"]),
]


def test_plain_http_is_fine_where_a_loopback_host_is_named(subtests: pytest.Subtests) -> None:
    for url, named in NAMED:
        with subtests.test(f"{url}, {named}"):
            assert insecure_url(url, named) is None


REFUSED: list[str] = [
    "http://api.example.com",
    "HTTP://api.example.com",
    "ws://api.example.com",
    "http://localhost.",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://127.0.0.2",
    "http://[::ffff:127.0.0.1]",
    "http://xn--localhost-9bg",
]


def test_plain_http_to_any_other_host_is_blocked(subtests: pytest.Subtests) -> None:
    for url in REFUSED:
        with subtests.test(f"{url}"):
            error = insecure_url(url, ALL, "berlin")
            assert isinstance(error, InsecureTransportError)
            assert error.client == "berlin"
            assert error.url == url.replace("HTTP:", "http:")
            assert "https://" in error.remedy


def test_a_loopback_host_is_blocked_unless_it_is_named(subtests: pytest.Subtests) -> None:
    for url in ["http://localhost", "http://127.0.0.1", "http://[::1]"]:
        with subtests.test(f"{url}"):
            assert isinstance(insecure_url(url), InsecureTransportError)


UNREADABLE: list[str] = [
    "",
    "api.example.com",
    "http://127.1",
    "http://canary@127.0.0.1",
    "http://127.0.0.1:canary@evil.test",
    "https://[::1",
    "ftp://a",
]


def test_a_url_that_cannot_be_read_is_an_error_of_configuration(subtests: pytest.Subtests) -> None:
    for url in UNREADABLE:
        with subtests.test(f"{url!r}"):
            error = insecure_url(url, ALL, "berlin")
            assert isinstance(error, ConfigurationError)
            assert error.client == "berlin"
            assert "canary" not in str(error)


NOT_LOOPBACK: list[str] = [
    "example.com",
    "localhost.",
    "api.localhost",
    "127.1",
    "127.0.0.1:80",
    "http://localhost",
    "0.0.0.0",
    "10.0.0.1",
    "::2",
    "::ffff:127.0.0.1",
    "",
]


def test_only_loopback_hosts_can_be_named(subtests: pytest.Subtests) -> None:
    for host in NOT_LOOPBACK:
        with subtests.test(f"{host!r}"):
            assert not is_loopback(host)
            with pytest.raises(ConfigurationError, match="loopback"):
                loopback_names([host])
            error = insecure_url("https://api.example.com", [host], "berlin")
            assert isinstance(error, ConfigurationError)
            assert error.client == "berlin"


def test_one_host_may_be_given_as_text() -> None:
    assert loopback_names("localhost") == {"localhost"}
