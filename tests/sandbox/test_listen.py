from __future__ import annotations

import socket

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox.sandbox_options import Listen


def test_loopback_hosts(subtests: pytest.Subtests) -> None:
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        with subtests.test(host):
            assert Listen(host).host == host


def test_every_other_host_is_refused(subtests: pytest.Subtests) -> None:
    for host in ("0.0.0.0", "::", "", "192.168.1.1", "server.example", "localhost.example", "127.0.0.1.example"):
        with subtests.test(host):
            with pytest.raises(ConfigurationError) as refused:
                Listen(host)
            assert repr(host) in refused.value.message
            assert "127.0.0.1" in str(refused.value.remedy)


def test_the_url() -> None:
    assert Listen().url(8443) == "https://127.0.0.1:8443"
    assert Listen("::1").url(8443) == "https://[::1]:8443"
    assert Listen("localhost", tls=False).url(8443) == "http://localhost:8443"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_free_port_is_found(host: str) -> None:
    with Listen(host).bind() as sock:
        assert sock.family == socket.AF_INET
        assert sock.getsockname()[1] > 0


def test_a_port_that_is_taken() -> None:
    with Listen().bind() as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}") as refused:
            Listen(port=port).bind()
    assert "Choose a free port" in str(refused.value.remedy)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {port} is out of range"):
        Listen(port=port)
