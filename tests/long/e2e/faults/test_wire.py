"""The wire breaks what it is told to, and nothing else: without TLS and HTTP above it, one can see the bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator, Iterator

import pytest

from tests.long.e2e.faults.wire import Trouble, Wire

SENT = bytes(range(100))


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Wire to a server that echoes its input."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],)).start()

    def echo(near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            while said := near.recv(65536):
                near.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        with Wire(listener.getsockname()[1]).laid() as wire:
            yield wire
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


@contextlib.contextmanager
def connected(wire: Wire) -> Generator[socket.socket]:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as near:
        near.sendall(b"hello")
        assert near.recv(100) == b"hello"
        yield near


def came_back(near: socket.socket) -> bytes:
    near.sendall(SENT)
    received = b""
    while len(received) < len(SENT) and (said := near.recv(100)):
        received += said
    return received


@pytest.mark.parametrize("trouble", [None, Trouble("trickle", "up"), Trouble("trickle", "down", 7)], ids=str)
def test_everything_passes(wire: Wire, trouble: Trouble | None) -> None:
    with connected(wire) as near:
        wire.trouble = trouble
        assert came_back(near) == SENT
        assert came_back(near) == SENT


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 40])
def test_a_wire_can_change_one_byte(wire: Wire, direction: str, after: int) -> None:
    with connected(wire) as near:
        wire.trouble = Trouble("corrupt", direction, after)  # type: ignore[arg-type]
        expected = bytearray(SENT)
        expected[after] ^= 0xFF
        assert came_back(near) == bytes(expected)
        assert came_back(near) == SENT


def test_a_handshake_passes_where_only_requests_are_harmed(wire: Wire) -> None:
    with connected(wire) as near:
        wire.trouble = Trouble("close", "down", asked=True)
        assert came_back(near) == SENT
        near.sendall(SENT)
        assert near.recv(100) == b""


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 40])
def test_a_wire_can_hang_up(wire: Wire, direction: str, after: int) -> None:
    with connected(wire) as near:
        wire.trouble = Trouble("close", direction, after)  # type: ignore[arg-type]
        assert came_back(near) in {SENT[:after], b""}  # What was on its way back may be lost.


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_wire_can_reset_the_connection(wire: Wire, direction: str) -> None:
    with connected(wire) as near:
        wire.trouble = Trouble("reset", direction)  # type: ignore[arg-type]
        with pytest.raises(ConnectionResetError):
            came_back(near)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 40])
def test_a_wire_can_fall_silent_and_be_mended(wire: Wire, direction: str, after: int) -> None:
    with connected(wire) as near:
        wire.trouble = Trouble("stall", direction, after)  # type: ignore[arg-type]
        near.settimeout(0.2)
        near.sendall(SENT)
        received = near.recv(100) if after else b""
        with pytest.raises(TimeoutError):
            near.recv(100)
        wire.trouble = None
        near.settimeout(10)
        assert (received, near.recv(100)) == (SENT[:after], b"")
    with connected(wire) as near:
        assert came_back(near) == SENT


def test_a_wire_may_end_at_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Wire(port).laid() as wire, socket.create_connection(("127.0.0.1", wire.port), timeout=10) as near:
        assert near.recv(100) == b""
