"""Answers that misbehave on the wire. Each is an ASGI application.

What only a real connection can show (one that is cut) needs the sandbox's own server; in-process it is a ConnectionResetError.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from .clock import Pauses

TRANSPORT = "prio_middleware.sandbox.transport"
"""The key in the scope's extensions under which the sandbox's server puts the connection."""

_CHUNK = 64 * 1024


class Connection(Protocol):
    """What is needed of an asyncio transport."""

    def abort(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer with exactly these bytes and headers, and no others: not even a Content-Type."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _start(send, self.status, {"content-length": str(len(self.body)), **(self.headers or {})})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope, receive, lambda connection: connection.abort())


@dataclass(frozen=True, slots=True)
class Truncated:
    """Promise a longer body than is sent, then close the connection."""

    status: int
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"content-type": "application/json", "content-length": str(len(self.body) + 1000)}
        await _start(send, self.status, headers)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _hang_up(scope, receive, lambda connection: connection.close())


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing for a while, then close the connection; or answer, where there is something to answer."""

    pauses: Pauses
    seconds: float
    app: ASGIApp = Drop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.pauses.sleep(self.seconds)
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Stream:
    """Send a body piece by piece, with equal pauses that take ``seconds`` in all."""

    status: int
    headers: Mapping[str, str]
    pieces: tuple[bytes, ...]
    pauses: Pauses
    seconds: float = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _start(send, self.status, self.headers)
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await self.pauses.sleep(self.seconds / len(self.pieces))
        await send({"type": "http.response.body", "body": b""})


def endless(size: int) -> tuple[bytes, ...]:
    """``size`` bytes in pieces of 64 KiB, held once."""
    return (b"x" * _CHUNK,) * -(-size // _CHUNK)


def gzipped(body: bytes) -> bytes:
    """``body`` as ``Content-Encoding: gzip`` has it."""
    return _gzip([body])


@functools.cache
def gzip_bomb(size: int) -> bytes:
    """A token response of ``size`` bytes, made of one repeated letter: compressed, it is a thousandth of that."""
    letters = [b"a" * _CHUNK] * -(-size // _CHUNK)
    return _gzip([b'{"token_type": "Bearer", "access_token": "', *letters, b'"}'])


def _gzip(pieces: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join(map(compressor.compress, pieces)) + compressor.flush()


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _hang_up(scope: Scope, receive: Receive, how: Callable[[Connection], None]) -> None:
    """End the connection, and wait until the server has noticed: it would answer 500 for an application that returns before."""
    connection = cast("Connection | None", scope.get("extensions", {}).get(TRANSPORT))
    if connection is None:
        raise ConnectionResetError("The sandbox cut the connection.")
    how(connection)
    while (await receive())["type"] != "http.disconnect":
        pass
