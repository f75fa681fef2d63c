"""Bodies that are read in part: bounded, and put back as if nobody had looked."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from typing import Any

from .library import HTTPLibrary

_STEPS = 1000
"""Chunks that a stream may have at hand before it comes to a wait, where it can be cancelled."""


class Head:
    """The beginning of a body.

    Attributes:
        chunks: what was read.
        complete: nothing follows.
        rest: what follows, where something does.
        broken: what reading it ended with, where it failed; the reader of the whole body is to see it.
    """

    __slots__ = ("broken", "chunks", "complete", "rest", "size")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.complete = False
        self.rest: Any = None
        self.broken: Exception | None = None

    def add(self, chunk: bytes, limit: int) -> bool:
        """Take ``chunk``. Returns whether the limit is passed."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return self.size > limit

    @property
    def content(self) -> bytes:
        """The bytes read so far."""
        return b"".join(self.chunks)

    async def aclose(self) -> None:
        """End the async iteration where it stands: trio warns of generators that are left to the garbage collector.

        The HTTP library's generators are nested, and closing the outermost leaves the inner ones as they are. A cancellation
        goes to the innermost.
        """
        if not isinstance(self.rest, AsyncGenerator):
            return
        import anyio

        with anyio.CancelScope() as scope, contextlib.suppress(Exception):
            scope.cancel()
            for _ in range(_STEPS):
                await anext(self.rest)
        await self.rest.aclose()


def read_head(stream: Iterable[bytes], limit: int, until: float = math.inf) -> Head:
    """Read ``stream`` until it ends, breaks, gives more than ``limit`` bytes, or ``until`` (``time.monotonic()``) is past."""
    head = Head()
    head.rest = iter(stream)
    try:
        for chunk in head.rest:
            if head.add(chunk, limit):
                return head
            if time.monotonic() > until:
                raise TimeoutError("no whole answer in time")
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who reads the body
        head.broken = error
        return head
    head.complete = True
    return head


async def aread_head(stream: Any, limit: int) -> Head:
    """The same, awaiting."""
    head = Head()
    head.rest = aiter(stream)
    try:
        async for chunk in head.rest:
            if head.add(chunk, limit):
                return head
    except Exception as error:  # noqa: BLE001 - as above
        head.broken = error
        return head
    head.complete = True
    return head


class Refilled:
    """A stream that gives what was read of ``stream``, and then the rest of it."""

    def __init__(self, head: Head, stream: Any) -> None:
        self._head = head
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._head.chunks
        if self._head.broken:
            raise self._head.broken
        yield from self._head.rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._head.chunks:
            yield chunk
        if self._head.broken:
            raise self._head.broken
        async for chunk in self._head.rest:
            yield chunk

    def close(self) -> None:
        """Close the stream that was begun."""
        self._stream.close()

    async def aclose(self) -> None:
        """The same, awaiting."""
        await self._stream.aclose()
        await self._head.aclose()


def refill(library: HTTPLibrary, head: Head, stream: Any) -> Any:
    """A stream of ``library`` that gives what was read of ``stream``, and then the rest of it."""
    return _refilled_class(library.SyncByteStream, library.AsyncByteStream)(head, stream)


@functools.cache
def _refilled_class(*bases: type) -> Any:
    return type("Refilled", (Refilled, *bases), {})
