"""Connections of token requests that are shut down or closed before the response."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from prio_middleware.oauth.effects import Stop
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.transports.deadlines import closing_connections, cutting_off


class Stream:
    """Network stream as httpcore's ``trace`` extension passes it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self._connection

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(10)
        yield near, far


def request(total_seconds: float = 60.0) -> TokenRequest:
    made = TokenRequest("https://auth.example/token", {}, b"", timeout=1, total_seconds=total_seconds)
    made.stop = Stop()
    return made


def connected(connection: Any) -> dict[str, Any]:
    return {"return_value": Stream(connection)}


def test_a_connection_is_shut_down_when_its_fetch_is_stopped(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    asked = request()
    assert asked.stop is not None
    with cutting_off(asked) as cutoff:
        cutoff.trace("connection.connect_tcp.started", {})
        cutoff.trace("connection.connect_tcp.complete", connected(near))
        asked.stop.set()
        assert far.recv(1) == b""
        assert cutoff.is_cut


def test_a_connection_made_after_the_cutoff_is_shut_down_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    asked = request()
    assert asked.stop is not None
    asked.stop.set()
    with cutting_off(asked) as cutoff:
        cutoff.trace("connection.connect_unix_socket.complete", connected(near))
        assert far.recv(1) == b""


def test_a_connection_is_shut_down_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    with cutting_off(request(total_seconds=0.01)) as cutoff:
        cutoff.trace("connection.connect_tcp.complete", connected(near))
        assert far.recv(1) == b""


def test_shutting_down_a_disconnected_socket_is_no_error() -> None:
    never = socket.socket()
    asked = request()
    assert asked.stop is not None
    with never, cutting_off(asked) as cutoff:
        cutoff.trace("connection.connect_tcp.complete", connected(never))
        asked.stop.set()
        assert cutoff.is_cut


def test_where_the_caller_fetches_itself_nothing_watches_the_time(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    asked = request(total_seconds=0.0)
    asked.stop = None
    with cutting_off(asked) as cutoff:
        cutoff.trace("connection.connect_tcp.complete", connected(near))
        near.send(b"x")
        assert far.recv(1) == b"x"
    assert not cutoff.is_cut


@pytest.mark.anyio
async def test_a_connection_is_closed_when_its_task_is_cancelled() -> None:
    stream = Stream(None)
    with anyio.CancelScope() as scope:
        async with closing_connections() as trace:
            await trace("connection.connect_tcp.started", {})
            await trace("connection.connect_tcp.complete", {"return_value": stream})
            scope.cancel()
            await anyio.sleep_forever()

    assert stream.closed
