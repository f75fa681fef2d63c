"""Bodies that are read in part leave nothing running behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import anyio
import pytest

from prio_middleware.transports.bodies import aread_head, read_head
from tests.transports.world import World

pytestmark = pytest.mark.anyio
LIMIT = 3


class Iterator:
    """Asynchronous, but no generator: there is nothing to end."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return b"chunk"


async def endless(ended: list[str]) -> AsyncIterator[bytes]:
    """Never comes to a wait."""
    try:
        while True:
            yield b"chunk"
    finally:
        ended.append("ended")


async def nested(ended: list[str]) -> AsyncIterator[bytes]:
    """As the HTTP libraries read: a generator around another, which waits for more."""

    async def inner() -> AsyncIterator[bytes]:
        try:
            yield b"chunk"
            await anyio.sleep_forever()
        finally:
            ended.append("inner")

    async for chunk in inner():
        yield chunk


@pytest.mark.usefixtures("world")
async def test_a_plain_iterator_is_left_alone() -> None:
    head = await aread_head(Iterator(), LIMIT)
    await head.aclose()

    assert head.content == b"chunk"


@pytest.mark.parametrize("world", ["httpx-asyncio", "httpx-trio"], indirect=True)
async def test_one_that_never_waits_is_ended(world: World) -> None:
    ended: list[str] = []
    head = await aread_head(endless(ended), LIMIT)
    await head.aclose()

    assert world.backend in {"asyncio", "trio"}
    assert ended == ["ended"]


@pytest.mark.parametrize("world", ["httpx-asyncio", "httpx-trio"], indirect=True)
async def test_the_innermost_of_nested_ones_is_ended(world: World) -> None:
    ended: list[str] = []
    head = await aread_head(nested(ended), LIMIT)
    await head.aclose()

    assert world.backend in {"asyncio", "trio"}
    assert ended == ["inner"]


def test_a_body_that_drips_is_given_up_at_its_deadline() -> None:
    head = read_head([b"drip", b"drop"], limit=100, until=0.0)

    assert isinstance(head.broken, TimeoutError)
    assert (head.content, head.complete) == (b"drip", False)
