"""Token requests on their way through the shells: bounded in time and size, and one token for each kind of client."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from prio_middleware import InvalidTokenResponseError, TokenEndpointUnavailableError
from tests.transports.world import WORLDS, Server, World, settings

pytestmark = pytest.mark.anyio

AWAITING = [name for name in WORLDS if not name.endswith("-sync")]
MEBIBYTE = 1024 * 1024
BOMB = gzip.compress(bytes(64 * MEBIBYTE))


@contextmanager
def little_memory() -> Generator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
    finally:
        tracemalloc.stop()


def bomb(world: World, status: int) -> Any:
    return world.library.Response(status, headers={"content-encoding": "gzip"}, stream=world.bodies(BOMB))


@pytest.mark.pitfall(id="no-timeout")
async def test_a_token_request_carries_a_timeout_for_every_step(world: World, server: Server) -> None:
    await world.client(server, settings=settings(token_timeout=0.75)).get()

    (_, _, extensions), *_ = server.token_requests
    assert extensions["timeout"] == dict.fromkeys(["connect", "read", "write", "pool"], 0.75)


@pytest.mark.pitfall(id="two-libraries")
async def test_a_token_request_is_one_of_the_librarys_own(world: World) -> None:
    seen: list[Any] = []

    def token(request: Any) -> Any:
        seen.append(request)
        return server.grant()

    server = Server(world, token=token)
    await world.client(server).get()

    assert [type(request) for request in seen] == [world.library.Request]


@pytest.mark.pitfall(id="unfolding-answer")
async def test_a_token_answer_that_unfolds_to_megabytes_is_refused_unfolded(world: World) -> None:
    server = Server(world, token=lambda _: bomb(world, 200))
    client = world.client(server)
    with little_memory(), pytest.raises(InvalidTokenResponseError, match="too long once it is decoded"):
        await client.get()

    assert server.calls == []


@pytest.mark.pitfall(id="unfolding-answer")
async def test_a_refusal_that_unfolds_to_megabytes_is_delivered_as_it_came(world: World) -> None:
    server = Server(world, respond=lambda _: bomb(world, 401))
    client = world.client(server)
    with little_memory():
        response, chunks = await client.stream("GET", "/products")

    assert (response.status_code, b"".join(chunks)) == (401, BOMB)
    assert len(server.calls) == 1


@pytest.mark.pitfall(id="odd-answers")
async def test_a_token_answer_of_ten_megabytes_is_not_read_to_its_end(world: World) -> None:
    closed: list[str] = []
    too_far = AssertionError("It was read to its end.")
    server = Server(
        world,
        token=lambda _: world.library.Response(200, stream=world.bodies(*[bytes(MEBIBYTE)] * 10, error=too_far, closed=closed)),
    )
    with pytest.raises(InvalidTokenResponseError, match="more than 1048576 bytes"):
        await world.client(server).get()

    assert closed


@pytest.mark.pitfall(id="no-timeout")
@pytest.mark.parametrize("world", AWAITING, indirect=True)
async def test_a_token_request_that_is_never_answered_is_given_up_at_its_deadline(world: World) -> None:
    server = Server(world, token=lambda _: anyio.sleep_forever())
    with pytest.raises(TokenEndpointUnavailableError, match=r"no whole answer within 0\.\d s"):
        await world.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


async def test_a_token_answer_that_breaks_off_is_no_answer(world: World) -> None:
    half = world.bodies(b'{"access_token":"ha', error=world.library.ReadError("reset"))
    server = Server(world, token=lambda _: world.library.Response(200, stream=half))
    with pytest.raises(TokenEndpointUnavailableError, match="ReadError: reset"):
        await world.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


async def test_a_token_request_that_outlives_its_client_closes_what_it_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a refresh ahead may. Nobody else would close its connection."""
    said: list[str] = []

    def close() -> Any:
        said.append("closed")
        return None if world.is_sync else anyio.lowlevel.checkpoint()

    def token(_: Any) -> Any:
        said.append("asked")
        return close_and_grant() if not world.is_sync else (client.client.close(), server.grant())[1]

    async def close_and_grant() -> Any:
        await client.close()
        return server.grant()

    server = Server(world, token=token)
    client = world.client(server)
    monkeypatch.setattr(client.client._transport.inner, "close" if world.is_sync else "aclose", close)
    await client.get()

    assert said == ["asked", "closed", "closed"]


@pytest.mark.pitfall(id="cache-key")
@pytest.mark.parametrize(
    ("other", "tokens"),
    [
        ({}, 1),
        ({"client_id": "other@example.com"}, 2),
        ({"client_secret": "rotated"}, 2),
        ({"basic_encoding": "raw"}, 2),
        ({"client_auth": "client_secret_post"}, 2),
        ({"token_url": "https://id.example/token"}, 2),
        ({"scope": "orders"}, 2),
        ({"audience": "https://api.example"}, 2),
        ({"resource": "https://api.example"}, 2),
        ({"params": {"tenant": "1"}}, 2),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else None,
)
async def test_clients_share_a_token_where_nothing_sets_them_apart(
    world: World, server: Server, other: dict[str, Any], tokens: int
) -> None:
    for changes in ({}, other, {}, other):
        await world.client(server, settings=settings(**changes)).get()

    assert len(server.token_requests) == tokens
    assert len(set(server.authorizations)) == tokens
