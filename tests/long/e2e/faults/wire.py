"""A TCP relay that breaks things: it knows nothing of TLS or HTTP, so whatever passes it, passes as it was sent."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, Self

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.from_thread import start_blocking_portal

Direction = Literal["up", "down"]
"""To the server, or to the client."""

_MOST = 65536
_PIECE = 16
_TICK = 0.001
_SLICE = 0.01
_HANDSHAKE = 160
"""Bytes that a client sends at most after a server's first ones, to end a TLS handshake. A request has more."""


@dataclass(frozen=True, slots=True, eq=False)
class Trouble:
    """Trouble for the bytes of one direction, on every connection.

    Attributes:
        kind: ``reset`` and ``close`` end the connection, rudely or politely; ``stall`` passes nothing on any more;
            ``corrupt`` changes one byte; ``trickle`` passes everything on, in small pieces.
        direction: to the server, or to the client.
        after: bytes that pass unharmed first.
        asked: nothing is harmed before a request, such as a TLS handshake.
    """

    kind: Literal["reset", "close", "stall", "corrupt", "trickle"]
    direction: Direction
    after: int = 0
    asked: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.direction} after {self.after}"


class _Line:
    """State of one connection."""

    def __init__(self) -> None:
        self._is_answered = False
        self._said_since = 0

    def heard(self, direction: Direction, size: int) -> None:
        if direction == "down":
            self._is_answered = True
        elif self._is_answered:
            self._said_since += size

    @property
    def is_asked(self) -> bool:
        """A request was sent."""
        return self._said_since > _HANDSHAKE


class Wire:
    """A port of this machine that leads to another one.

    Args:
        port: where it leads to.
    """

    def __init__(self, port: int) -> None:
        self.trouble: Trouble | None = None
        self._target = port
        self.port = 0

    @contextlib.contextmanager
    def laid(self) -> Generator[Self]:
        """Relay, in a thread, until the end of the ``with`` statement."""
        with start_blocking_portal("asyncio") as portal:
            listener = portal.call(lambda: anyio.create_tcp_listener(local_host="127.0.0.1"))
            self.port = int(listener.extra(SocketAttribute.local_port))
            serving = portal.start_task_soon(listener.serve, self._relay)
            try:
                yield self
            finally:
                serving.cancel()
                portal.call(listener.aclose)

    async def _relay(self, near: SocketStream) -> None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with near, await anyio.connect_tcp("127.0.0.1", self._target) as far, anyio.create_task_group() as group:
                line = _Line()

                async def pass_on(source: ByteStream, sink: SocketStream, direction: Direction) -> None:
                    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await self._pass_on(source, sink, direction, line)
                    if self.trouble and self.trouble.kind == "reset":
                        _be_rude(near, far)
                    group.cancel_scope.cancel()

                group.start_soon(pass_on, near, far, "up")
                group.start_soon(pass_on, far, near, "down")

    async def _pass_on(self, source: ByteStream, sink: SocketStream, direction: Direction, line: _Line) -> None:
        """Return where the connection is to end."""
        trouble, passed = self.trouble, 0
        while True:
            data = await source.receive(_MOST)
            line.heard(direction, len(data))
            if self.trouble is not trouble:
                trouble, passed = self.trouble, 0
            if trouble is None or trouble.direction != direction or (trouble.asked and not line.is_asked):
                await sink.send(data)
                continue
            room = max(0, trouble.after - passed)
            passed += len(data)
            await _send(sink, data[:room])
            if data[room:] and not await self._strike(trouble, data[room:], sink, first=passed - len(data) <= trouble.after):
                return

    async def _strike(self, trouble: Trouble, data: bytes, sink: SocketStream, *, first: bool) -> bool:
        """Do what ``trouble`` says to ``data``. Returns whether the connection goes on."""
        if trouble.kind == "corrupt":
            await sink.send(bytes([data[0] ^ 0xFF]) + data[1:] if first else data)
            return True
        if trouble.kind == "trickle":
            for place in range(0, len(data), _PIECE):
                await sink.send(data[place : place + _PIECE])
                await anyio.sleep(_TICK)
            return True
        while trouble.kind == "stall" and self.trouble is trouble:  # noqa: ASYNC110 - another thread ends it
            await anyio.sleep(_SLICE)
        return False


async def _send(sink: SocketStream, data: bytes) -> None:
    if data:
        await sink.send(data)


def _be_rude(*streams: SocketStream) -> None:
    """Let closing be a reset (RST) instead of a farewell (FIN)."""
    for stream in streams:
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
