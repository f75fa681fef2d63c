"""Request and response bodies: buffered, read ahead and replayed."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from .._util.clock import monotonic
from .._util.secret import Unpicklable
from .inner import HTTPLibrary


def is_replayable(stream: Any, library: HTTPLibrary) -> bool:
    """Return True for bytes and for streams that are known to restart when they are iterated again.

    All other streams count as sendable once. An open file, for example, would send nothing under its old Content-Length.
    """
    if isinstance(stream, library.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    if type(stream).__name__ == "MultipartStream" and isinstance(fields, list):
        return all(_rewinds(getattr(field, "file", b"")) for field in fields)
    # `content=[b"...", b"..."]`: neither library has a public name for the source of its stream.
    return isinstance(getattr(stream, "_stream", None), list | tuple)


def _rewinds(file: Any) -> bool:
    if isinstance(file, bytes | str):
        return True
    seekable = getattr(file, "seekable", None)
    return callable(seekable) and not getattr(file, "closed", False) and bool(seekable())


_STEPS = 1000  # Maximum chunks that a stream may yield before it waits, which is where it can be cancelled.
PENDING_READ_LIMIT = 1.0  # Seconds that a cancelled read may take to end. Afterwards its source is closed in any case.


class BodyPrefix(Unpicklable):
    """Beginning of a body.

    Attributes:
        chunks: the chunks that were read.
        complete: True if no chunk follows.
        rest: iterator over the chunks that follow.
        broken: the error with which reading failed, if it did. The reader of the whole body gets it.
        pending: the read in progress, if any. Its chunk is the first that follows.
    """

    __slots__ = ("broken", "chunks", "complete", "pending", "rest", "size")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.complete = False
        self.rest: Any = None
        self.broken: Exception | None = None
        self.pending: PendingRead | None = None

    def add(self, chunk: bytes, limit: int) -> bool:
        """Add ``chunk``. Return True if the size exceeds ``limit`` bytes."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return self.size > limit

    @property
    def content(self) -> bytes:
        """Bytes read so far."""
        return b"".join(self.chunks)

    async def aclose(self) -> None:
        """End the async iteration, because trio warns of generators that are left to the garbage collector.

        The HTTP library's generators are nested. Closing the outermost leaves the inner ones open; a cancellation reaches the
        innermost.
        """
        if self.pending and not await self.pending.cancel():
            return
        if not isinstance(self.rest, AsyncGenerator):
            return
        import anyio

        with anyio.CancelScope() as scope, contextlib.suppress(Exception):
            scope.cancel()
            for _ in range(_STEPS):
                await anext(self.rest)
        await self.rest.aclose()


def read_ahead(stream: Iterable[bytes], limit: int, until: float) -> BodyPrefix:
    """Read ``stream`` until it ends, fails, exceeds ``limit`` bytes, or yields a chunk after ``until`` (monotonic clock).

    A blocking read cannot be interrupted without ending the stream, so only its own timeout ends the wait for a chunk.
    """
    prefix = BodyPrefix()
    prefix.rest = iter(stream)
    try:
        for chunk in prefix.rest:
            if prefix.add(chunk, limit) or monotonic() > until:
                return prefix
    except Exception as error:  # noqa: BLE001 - the reader of the body gets it
        prefix.broken = error
        return prefix
    prefix.complete = True
    return prefix


def read_prefix(stream: Iterable[bytes], limit: int, until: float) -> BodyPrefix:
    """Do the same, and count a stream that is not read in time as broken."""
    prefix = read_ahead(stream, limit, until)
    if not (prefix.complete or prefix.broken or prefix.size > limit):
        prefix.broken = TimeoutError("no whole answer in time")
    return prefix


async def aread_ahead(stream: Any, limit: int, seconds: float, *, pending_limit: float = PENDING_READ_LIMIT) -> BodyPrefix:
    """Read ``stream`` until it ends, fails, exceeds ``limit`` bytes, or ``seconds`` have passed.

    Cancelling a read loses the connection. So the read runs in a task of its own, and continues after ``seconds``: the reader
    of the whole body gets its chunk. If that task is cancelled later, it may take ``pending_limit`` seconds to end.
    """
    import anyio

    prefix = BodyPrefix()
    prefix.rest = aiter(stream)
    pending = prefix.pending = PendingRead(prefix, limit, pending_limit)
    try:
        with anyio.move_on_after(seconds):
            await pending.ended.wait()
    except BaseException:
        await pending.cancel()
        raise
    if pending.ended.is_set():
        prefix.pending = None
    else:
        pending.stops = True
    return prefix


class PendingRead:
    """Task that reads into ``prefix`` until the body ends, or after the current chunk if ``stops`` is True.

    It also ends when ``prefix`` exceeds ``limit`` bytes. A cancelled read may take ``pending_limit`` seconds to end. The event
    ``ended`` is set when the task has ended.
    """

    def __init__(self, prefix: BodyPrefix, limit: int, pending_limit: float) -> None:
        import anyio
        from anyio.lowlevel import current_token

        self.ended = anyio.Event()
        self._prefix = prefix
        self._limit = limit
        self._pending_limit = pending_limit
        self.stops = False
        loop: Any = current_token().native_token
        if hasattr(loop, "create_task"):
            task = loop.create_task(self._run())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
            task.add_done_callback(lambda _: self.ended.set())
            self._cancel = task.cancel
        else:
            import trio

            scope = trio.CancelScope()
            self._cancel = scope.cancel
            trio.lowlevel.spawn_system_task(self._run_within, scope)

    async def cancel(self) -> bool:
        """Cancel the read. Return True if it has ended."""
        import anyio

        if not self.ended.is_set():
            self._cancel()
            with anyio.move_on_after(self._pending_limit, shield=True):
                await self.ended.wait()
        return self.ended.is_set()

    async def _run_within(self, scope: AbstractContextManager[Any]) -> None:
        try:
            with scope:
                await self._run()
        finally:
            self.ended.set()

    async def _run(self) -> None:
        try:
            await _aread(self._prefix, self._limit, lambda: self.stops)
        except BaseException:
            self._prefix.broken = RuntimeError("The read of this body was cancelled.")
            raise


_tasks: set[Any] = set()  # asyncio keeps weak references only.


async def aread_prefix(stream: Any, limit: int) -> BodyPrefix:
    """Read ``stream`` until it ends, fails, or exceeds ``limit`` bytes."""
    prefix = BodyPrefix()
    prefix.rest = aiter(stream)
    await _aread(prefix, limit, lambda: False)
    return prefix


async def _aread(prefix: BodyPrefix, limit: int, stops: Callable[[], bool]) -> None:
    """Read the rest of ``prefix`` until it ends, fails or exceeds ``limit`` bytes, or ``stops`` returns True after a chunk."""
    try:
        async for chunk in prefix.rest:
            if prefix.add(chunk, limit) or stops():
                return
        prefix.complete = True
    except Exception as error:  # noqa: BLE001 - the reader of the body gets it
        prefix.broken = error


class ReplayStream:
    """Stream that repeats the prefix that was read of ``stream``, and continues with the rest."""

    def __init__(self, prefix: BodyPrefix, stream: Any) -> None:
        self._prefix = prefix
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._prefix.chunks
        if self._prefix.broken:
            raise self._prefix.broken
        yield from self._prefix.rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._prefix.chunks
        read = len(chunks)
        for chunk in chunks[:read]:
            yield chunk
        if self._prefix.pending:
            await self._prefix.pending.ended.wait()
            for chunk in chunks[read:]:
                yield chunk
        if self._prefix.broken:
            raise self._prefix.broken
        async for chunk in self._prefix.rest:
            yield chunk

    def close(self) -> None:
        """Close the underlying stream."""
        self._stream.close()

    async def aclose(self) -> None:
        """Close the underlying stream, after the pending read has ended."""
        if self._prefix.pending:
            await self._prefix.pending.cancel()
        await self._stream.aclose()
        await self._prefix.aclose()

    @property
    def prefix(self) -> bytes:
        """Bytes that were read ahead."""
        return self._prefix.content


def replay(library: HTTPLibrary, prefix: BodyPrefix, stream: Any) -> Any:
    """Return a stream of ``library`` that repeats ``prefix`` and continues with the rest of ``stream``."""
    return _replay_stream_class(library.SyncByteStream, library.AsyncByteStream)(prefix, stream)


@functools.cache
def _replay_stream_class(*bases: type) -> Any:
    return type("ReplayStream", (ReplayStream, *bases), {})
