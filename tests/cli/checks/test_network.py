from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from prio_middleware import ClientSettings
from prio_middleware._util.origins import Origin
from prio_middleware.build import client_options
from prio_middleware.cli.check_probes import CheckStatus, Hop, connect, first_hop, resolve
from prio_middleware.transports.routes import Route, Routes, find_routes

API = Origin("https", "api.example", None)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def routes(**values: Any) -> Routes:
    settings = ClientSettings(**{"client_id": "shop", "client_secret": "s3cret", **values})
    found = find_routes(httpx, client_options(settings, httpx), client="shop", api=settings.base_url)
    assert isinstance(found, Routes)
    return found


HOPS: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({}, {}, "api.example:443"),
    ({}, {"proxy": "http://me:pw@proxy.example:3128"}, "proxy proxy.example:3128"),
    ({}, {"proxy": "https://proxy.example"}, "proxy proxy.example:443"),
    ({"HTTPS_PROXY": "proxy.example:8080"}, {}, "proxy proxy.example:8080"),
    ({"ALL_PROXY": "http://proxy.example"}, {}, "proxy proxy.example:80"),
    ({"HTTP_PROXY": "http://proxy.example"}, {}, "api.example:443"),
    ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "api.example"}, {}, "api.example:443"),
    ({"HTTPS_PROXY": "http://proxy.example"}, {"trust_env": False}, "api.example:443"),
    ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "*"}, {}, "api.example:443"),
]


def test_the_first_hop_is_the_server_or_its_proxy(subtests: pytest.Subtests) -> None:
    for variables, values, hop in HOPS:
        with subtests.test(str((variables, values, hop))), pytest.MonkeyPatch.context() as monkeypatch:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)

            assert str(first_hop(routes(**values), API)) == hop


def test_a_socks_proxy_has_a_port_of_its_own() -> None:
    ways = cast("Routes", SimpleNamespace(find=lambda _: Route(None, proxy=httpx.Proxy("socks5://proxy.example"))))

    assert str(first_hop(ways, API)) == "proxy proxy.example:1080"


def test_to_a_loopback_host_over_plain_http_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")

    assert str(first_hop(routes(), Origin("http", "localhost", 8000))) == "localhost:8000"


def test_an_address_has_its_brackets() -> None:
    assert str(first_hop(routes(), Origin("http", "::1", None))) == "[::1]:80"
    assert str(first_hop(routes(), Origin("https", "::1", 8443))) == "[::1]:8443"


def resolver(monkeypatch: pytest.MonkeyPatch, answer: list[str] | Exception) -> None:
    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if isinstance(answer, Exception):
            raise answer
        return [(None, None, None, None, (address, port)) for address in answer]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


KNOWN: list[tuple[list[str], str]] = [
    (["192.0.2.1"], "api.example is 192.0.2.1."),
    (["192.0.2.1", "192.0.2.1", "2001:db8::1"], "api.example is 192.0.2.1, 2001:db8::1."),
    ([f"192.0.2.{number}" for number in range(5)], "api.example is 192.0.2.0, 192.0.2.1, 192.0.2.2 and 2 more."),
    (["api.example"], "api.example is an address."),
]


def test_a_name_that_is_known(subtests: pytest.Subtests) -> None:
    for addresses, summary in KNOWN:
        with subtests.test(summary), pytest.MonkeyPatch.context() as monkeypatch:
            resolver(monkeypatch, addresses)

            assert resolve(Hop("api.example", 443)).summary == summary


UNKNOWN: list[tuple[Exception, str]] = [
    (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
    (UnicodeError("label too long"), "it is not a valid host name"),
]


def test_a_name_that_is_not_known(subtests: pytest.Subtests) -> None:
    for error, reason in UNKNOWN:
        with subtests.test(reason), pytest.MonkeyPatch.context() as monkeypatch:
            resolver(monkeypatch, error)

            finding = resolve(Hop("api.example", 443))

            assert (finding.status, finding.summary) == (
                CheckStatus.FAIL,
                f"The name api.example cannot be resolved: {reason}.",
            )
            assert finding.remedy


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_connection_that_is_taken(listening: int) -> None:
    finding = connect(Hop("127.0.0.1", listening), 10)

    assert (finding.status, finding.facts["address"]) == (CheckStatus.OK, "127.0.0.1")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(TimeoutError("timed out"), "timed out"), (ConnectionRefusedError(111, "Connection refused"), "Connection refused")],
)
def test_a_connection_that_is_not(monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)

    finding = connect(Hop("proxy.example", 3128, is_proxy=True), 10)

    assert (finding.status, finding.summary) == (CheckStatus.FAIL, f"No connection to proxy proxy.example:3128: {reason}.")
    assert finding.remedy
