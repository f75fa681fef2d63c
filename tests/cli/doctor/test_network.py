from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from prio_middleware import ClientSettings
from prio_middleware.cli.doctor import network
from prio_middleware.cli.doctor.network import Hop, connect, first_hop, look_up
from prio_middleware.cli.doctor.steps import Status
from prio_middleware.origins import Origin

API = Origin("https", "api.example", None)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def settings(**values: Any) -> ClientSettings:
    return ClientSettings(**{"client_id": "shop", "client_secret": "s3cret", **values})


@pytest.mark.parametrize(
    ("variables", "values", "hop"),
    [
        ({}, {}, "api.example:443"),
        ({}, {"proxy": "http://me:pw@proxy.example:3128"}, "proxy proxy.example:3128"),
        ({}, {"proxy": "https://proxy.example"}, "proxy proxy.example:443"),
        ({}, {"proxy": "socks5://proxy.example"}, "proxy proxy.example:1080"),
        ({"HTTPS_PROXY": "proxy.example:8080"}, {}, "proxy proxy.example:8080"),
        ({"ALL_PROXY": "http://proxy.example"}, {}, "proxy proxy.example:80"),
        ({"HTTP_PROXY": "http://proxy.example"}, {}, "api.example:443"),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "api.example"}, {}, "api.example:443"),
        ({"HTTPS_PROXY": "http://proxy.example"}, {"trust_env": False}, "api.example:443"),
    ],
)
def test_the_first_hop_is_the_server_or_its_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], values: dict[str, Any], hop: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert str(first_hop(settings(**values), API)) == hop


def test_an_address_has_its_brackets() -> None:
    assert str(first_hop(settings(), Origin("http", "::1", None))) == "[::1]:80"
    assert str(first_hop(settings(), Origin("https", "::1", 8443))) == "[::1]:8443"


def resolver(monkeypatch: pytest.MonkeyPatch, answer: list[str] | Exception) -> None:
    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if isinstance(answer, Exception):
            raise answer
        return [(None, None, None, None, (address, port)) for address in answer]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("addresses", "summary"),
    [
        (["192.0.2.1"], "api.example is 192.0.2.1."),
        (["192.0.2.1", "192.0.2.1", "2001:db8::1"], "api.example is 192.0.2.1, 2001:db8::1."),
        ([f"192.0.2.{number}" for number in range(5)], "api.example is 192.0.2.0, 192.0.2.1, 192.0.2.2 and 2 more."),
        (["api.example"], "api.example is an address."),
    ],
)
def test_a_name_that_is_known(monkeypatch: pytest.MonkeyPatch, addresses: list[str], summary: str) -> None:
    resolver(monkeypatch, addresses)

    assert look_up(Hop("api.example", 443), 60).summary == summary


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "it is no name of a machine"),
    ],
)
def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    resolver(monkeypatch, error)

    finding = look_up(Hop("api.example", 443), 60)

    assert (finding.status, finding.summary) == (Status.FAIL, f"The name api.example cannot be looked up: {reason}.")
    assert finding.remedy


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(network, "_addresses", lambda hop: answered.wait() and [])

    finding = look_up(Hop("api.example", 443), 0.01)
    answered.set()

    assert "no answer within 0 s" in finding.summary


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_connection_that_is_taken(listening: int) -> None:
    finding = connect(Hop("127.0.0.1", listening), 10)

    assert (finding.status, finding.facts["address"]) == (Status.OK, "127.0.0.1")


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionRefusedError(111, "Connection refused")])
def test_a_connection_that_is_not(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)

    finding = connect(Hop("proxy.example", 3128, is_proxy=True), 10)

    assert finding.status is Status.FAIL
    assert finding.summary in {
        "No connection to proxy proxy.example:3128: timed out.",
        "No connection to proxy proxy.example:3128: Connection refused.",
    }
