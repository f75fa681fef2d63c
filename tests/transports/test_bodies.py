"""Partially read bodies, and the tasks and generators that they must end."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Self

import anyio
import pytest

from prio_middleware.transports.bodies import BodyPrefix, aread_ahead, aread_prefix, read_ahead, read_prefix, replay
from tests.transports.matrix import MatrixClient

pytestmark = pytest.mark.anyio
LIMIT = 3
on_each_loop = pytest.mark.parametrize("client_kind", ["httpx-asyncio", "httpx-trio"])


class Iterator:
    """Async iterator that is not a generator."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return b"chunk"


async def endless(ended: list[str]) -> AsyncIterator[bytes]:
    """Yield for ever without waiting."""
    try:
        while True:
            yield b"chunk"
    finally:
        ended.append("ended")


async def nested(ended: list[str]) -> AsyncIterator[bytes]:
    """Generator around another one that waits, as in the HTTP libraries."""

    async def inner() -> AsyncIterator[bytes]:
        try:
            yield b"chunk"
            await anyio.sleep_forever()
        finally:
            ended.append("inner")

    async for chunk in inner():
        yield chunk


@pytest.mark.parametrize("client_kind", ["httpx-asyncio"])
@pytest.mark.usefixtures("matrix")
async def test_a_plain_iterator_is_left_alone() -> None:
    prefix = await aread_prefix(Iterator(), LIMIT)
    await prefix.aclose()

    assert prefix.content == b"chunk"


@on_each_loop
@pytest.mark.usefixtures("matrix")
async def test_closing_ends_a_stream_that_never_waits() -> None:
    ended: list[str] = []
    prefix = await aread_prefix(endless(ended), LIMIT)
    await prefix.aclose()

    assert ended == ["ended"]


@on_each_loop
@pytest.mark.usefixtures("matrix")
async def test_closing_ends_the_innermost_of_nested_streams() -> None:
    ended: list[str] = []
    prefix = await aread_prefix(nested(ended), LIMIT)
    await prefix.aclose()

    assert ended == ["inner"]


def test_a_body_that_drips_is_given_up_at_its_deadline() -> None:
    prefix = read_prefix([b"drip", b"drop"], limit=100, until=0.0)

    assert isinstance(prefix.broken, TimeoutError)
    assert (prefix.content, prefix.complete) == (b"drip", False)


# Read ahead.


class Closing:
    """Stream that records its close."""

    def __init__(self, chunks: AsyncGenerator[bytes]) -> None:
        self.chunks = chunks
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks

    async def aclose(self) -> None:
        self.closed = True


async def pausing(resume: anyio.Event, ended: anyio.Event, *, stubborn: bool = False) -> AsyncGenerator[bytes]:
    """Wait before the first chunk; if stubborn, also after a cancellation."""
    try:
        with anyio.CancelScope(shield=stubborn):
            await resume.wait()
        yield b"1"
        yield b"2"
        yield b"3"
    finally:
        ended.set()


async def read_all(matrix: MatrixClient, prefix: BodyPrefix, stream: Closing) -> bytes:
    return b"".join([chunk async for chunk in replay(matrix.library, prefix, stream)])


@on_each_loop
@pytest.mark.pitfall(id="slow-refusal")
async def test_a_read_in_progress_is_continued(matrix: MatrixClient) -> None:
    resume, ended = anyio.Event(), anyio.Event()
    stream = Closing(pausing(resume, ended))
    prefix = await aread_ahead(stream, 100, 0.0)
    assert not prefix.complete
    await anyio.wait_all_tasks_blocked()
    resume.set()
    read = weakref.ref(prefix.pending)

    assert await read_all(matrix, prefix, stream) == b"123"
    assert ended.is_set()
    del prefix
    gc.collect()
    assert read() is None


@on_each_loop
async def test_a_read_that_ended_meanwhile_is_continued(matrix: MatrixClient) -> None:
    resume, ended = anyio.Event(), anyio.Event()
    stream = Closing(pausing(resume, ended))
    prefix = await aread_ahead(stream, 100, 0.0)
    resume.set()
    await anyio.wait_all_tasks_blocked()

    assert await read_all(matrix, prefix, stream) == b"123"


@on_each_loop
@pytest.mark.usefixtures("matrix")
async def test_a_body_that_is_there_at_once_is_complete() -> None:
    resume, ended = anyio.Event(), anyio.Event()
    resume.set()
    prefix = await aread_ahead(Closing(pausing(resume, ended)), 100, 20.0)

    assert (prefix.content, prefix.complete, prefix.pending) == (b"123", True, None)


@on_each_loop
async def test_a_body_that_breaks_is_broken_for_its_reader(matrix: MatrixClient) -> None:
    async def breaking() -> AsyncGenerator[bytes]:
        yield b"1"
        raise ZeroDivisionError

    stream = Closing(breaking())
    prefix = await aread_ahead(stream, 100, 20.0)

    assert (prefix.content, prefix.complete) == (b"1", False)
    with pytest.raises(ZeroDivisionError):
        await read_all(matrix, prefix, stream)


@on_each_loop
async def test_a_read_that_is_cut_off_with_its_loop_does_not_end_the_body_silently(matrix: MatrixClient) -> None:
    resume, ended = anyio.Event(), anyio.Event()
    stream = Closing(pausing(resume, ended))
    prefix = await aread_ahead(stream, 100, 0.0)
    await anyio.wait_all_tasks_blocked()
    assert prefix.pending is not None
    assert await prefix.pending.cancel()
    assert ended.is_set()

    with pytest.raises(RuntimeError, match="cancelled"):
        await read_all(matrix, prefix, stream)


@on_each_loop
@pytest.mark.parametrize("begun", [False, True])
async def test_a_caller_that_is_cancelled_leaves_no_read_behind(matrix: MatrixClient, *, begun: bool) -> None:
    resume, ended = anyio.Event(), anyio.Event()
    stream = Closing(pausing(resume, ended))
    before = {task.id for task in anyio.get_running_tasks()}
    with anyio.CancelScope() as scope:
        if begun:
            async with anyio.create_task_group() as group:
                group.start_soon(aread_ahead, stream, 100, 20.0)
                await anyio.wait_all_tasks_blocked()
                assert len({task.id for task in anyio.get_running_tasks()} - before) == 2
                scope.cancel()
        scope.cancel()
        await aread_ahead(stream, 100, 20.0)

    assert scope.cancelled_caught
    assert {task.id for task in anyio.get_running_tasks()} <= before
    assert ended.is_set() or not begun
    await stream.chunks.aclose()  # The read may not have begun.


@pytest.mark.parametrize("client_kind", ["httpx-trio"])
async def test_closing_waits_for_a_read_that_will_not_end_but_not_for_ever(matrix: MatrixClient) -> None:
    resume, ended = anyio.Event(), anyio.Event()
    stream = Closing(pausing(resume, ended, stubborn=True))
    prefix = await aread_ahead(stream, 100, 0.0, pending_limit=0.01)
    await anyio.wait_all_tasks_blocked()
    await replay(matrix.library, prefix, stream).aclose()

    assert stream.closed
    assert prefix.pending is not None
    assert not ended.is_set()
    resume.set()
    await prefix.pending.ended.wait()
    await prefix.aclose()


def test_a_blocking_look_ahead_ends_with_the_first_chunk_after_its_time() -> None:
    chunks = iter([b"1", b"2", b"3"])
    prefix = read_ahead(chunks, 100, 0.0)

    assert (prefix.content, prefix.complete, prefix.broken) == (b"1", False, None)
    assert list(prefix.rest) == [b"2", b"3"]


@pytest.mark.parametrize(("limit", "content", "complete"), [(3, b"123", True), (1, b"12", False)])
def test_a_blocking_look_ahead_ends_with_its_limit(limit: int, content: bytes, *, complete: bool) -> None:
    prefix = read_ahead([b"1", b"2", b"3"], limit, math.inf)
    assert (prefix.content, prefix.complete) == (content, complete)


def test_a_blocking_look_ahead_ends_with_the_body() -> None:
    def breaking() -> Generator[bytes]:
        yield b"1"
        raise ZeroDivisionError

    prefix = read_ahead(breaking(), 100, math.inf)
    assert prefix.content == b"1"
    assert isinstance(prefix.broken, ZeroDivisionError)
