"""Responses that fail on the wire, each an ASGI application.

A cut connection needs the sandbox's own server; in-process it is a ConnectionResetError.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    import asyncio

TRANSPORT = "prio_middleware.sandbox.transport"  # Key of the connection in the scope's extensions, set by the sandbox's server.

_CHUNK, _SLICE = 64 * 1024, 0.1  # Bytes of a piece of a large body, and seconds after which a wait checks if it was ended.


@dataclass(frozen=True, slots=True)
class Drop:
    """Closed connection without a response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope, receive, "abort")


@dataclass(frozen=True, slots=True)
class Truncated:
    """Body that is shorter than its Content-Length, then a closed connection."""

    status: int
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body) + 1000).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _hang_up(scope, receive, "close")


class Pauses:
    """Waits in any event loop that any thread can end."""

    def __init__(self) -> None:
        self._released = 0
        self._closed = False

    def release(self) -> None:
        """End every current wait."""
        self._released += 1

    def close(self) -> None:
        """End every current and later wait."""
        self._closed = True

    async def sleep(self, seconds: float) -> None:
        """Wait in slices: a thread without an event loop cannot set an event of one."""
        released, until = self._released, anyio.current_time() + seconds
        while self._released == released and not self._closed:
            left = until - anyio.current_time()
            if left <= 0:
                return
            await anyio.sleep(min(left, _SLICE))


@dataclass(frozen=True, slots=True)
class Stall:
    """Wait before ``app``, which closes the connection by default."""

    pauses: Pauses
    seconds: float
    app: ASGIApp = Drop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.pauses.sleep(self.seconds)
        await self.app(scope, receive, send)


async def dripping(pieces: Sequence[bytes], pauses: Pauses, seconds: float) -> AsyncGenerator[bytes]:
    """Yield the pieces of a body, with equal pauses that take ``seconds`` in total."""
    for piece in pieces:
        yield piece
        await pauses.sleep(seconds / len(pieces))


def endless(size: int) -> tuple[bytes, ...]:
    """Return ``size`` bytes as pieces of 64 KiB, which share one buffer."""
    return (b"x" * _CHUNK,) * -(-size // _CHUNK)


@functools.cache
def gzip_bomb(size: int) -> bytes:
    """Return a compressed token response of ``size`` bytes, about a thousandth of that when compressed."""
    compressor = zlib.compressobj(9, wbits=31)
    letters = [b"a" * _CHUNK] * -(-size // _CHUNK)  # one buffer
    pieces = [b'{"token_type": "Bearer", "access_token": "', *letters, b'"}']
    return b"".join(map(compressor.compress, pieces)) + compressor.flush()


async def _hang_up(scope: Scope, receive: Receive, how: Literal["abort", "close"]) -> None:
    """End the connection, and wait until the server notices: it answers 500 if the application returns earlier."""
    transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("The sandbox cut the connection.")
    getattr(transport, how)()
    while (await receive())["type"] != "http.disconnect":
        pass
