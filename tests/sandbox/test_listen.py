from __future__ import annotations

import socket

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox.listen import Listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert Listen(host).host == host


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.1", "server.example", "localhost.example", "127.0.0.1.example"]
)
def test_every_other_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="for this machine alone"):
        Listen(host)


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (Listen(), "https://127.0.0.1:8443"),
        (Listen("::1"), "https://[::1]:8443"),
        (Listen("localhost", tls=False), "http://localhost:8443"),
    ],
)
def test_the_url(listen: Listen, url: str) -> None:
    assert listen.url(8443) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_free_port_is_found(host: str) -> None:
    with Listen(host).bind() as sock:
        assert sock.family == socket.AF_INET
        assert sock.getsockname()[1] > 0


def test_a_port_that_is_taken() -> None:
    with Listen().bind() as sock, pytest.raises(ConfigurationError, match="cannot listen"):
        Listen(port=sock.getsockname()[1]).bind()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(port: int) -> None:
    with pytest.raises(ConfigurationError, match="is no port"):
        Listen(port=port)
