"""Token requests through the transports: limited in time and size, one token for each kind of client."""

from __future__ import annotations

import functools
import gzip
import threading
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from prio_middleware import (
    ClientClosedError,
    InsecureTransportError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    build,
)
from tests.transports.matrix import Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024


@contextmanager
def little_memory() -> Generator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 8 * MEBIBYTE
    finally:
        tracemalloc.stop()


@functools.cache
def packed() -> bytes:
    return gzip.compress(bytes(24 * MEBIBYTE), compresslevel=1)


def bomb(matrix: MatrixClient, status: int) -> Any:
    return matrix.library.Response(status, headers={"content-encoding": "gzip"}, stream=matrix.bodies(packed()))


@pytest.mark.pitfall(id="no-timeout")
async def test_a_token_request_carries_a_timeout_for_every_step(matrix: MatrixClient, server: Server) -> None:
    await matrix.client(server, settings=settings(token_timeout=0.75)).get()

    (_, _, extensions), *_ = server.token_requests
    assert extensions["timeout"] == dict.fromkeys(["connect", "read", "write", "pool"], 0.75)


@pytest.mark.pitfall(id="two-libraries")
async def test_a_token_request_is_one_of_the_librarys_own(matrix: MatrixClient) -> None:
    seen: list[Any] = []

    def token(request: Any) -> Any:
        seen.append(request)
        return server.grant()

    server = Server(matrix, token=token)
    await matrix.client(server).get()

    assert [type(request) for request in seen] == [matrix.library.Request]


@pytest.mark.pitfall(id="unfolding-answer")
async def test_a_token_answer_that_unfolds_to_megabytes_is_refused_unfolded(matrix: MatrixClient) -> None:
    packed()
    server = Server(matrix, token=lambda _: bomb(matrix, 200))
    client = matrix.client(server)
    with little_memory(), pytest.raises(InvalidTokenResponseError, match="too long"):
        await client.get()

    assert server.calls == []


@pytest.mark.pitfall(id="unfolding-answer")
async def test_a_refusal_that_unfolds_to_megabytes_is_delivered_as_it_came(matrix: MatrixClient) -> None:
    whole = packed()
    server = Server(matrix, respond=lambda _: bomb(matrix, 401))
    client = matrix.client(server)
    with little_memory():
        response, chunks = await client.stream("GET", "/products")

    assert (response.status_code, b"".join(chunks)) == (401, whole)
    assert len(server.calls) == 1


@pytest.mark.pitfall(id="odd-answers")
async def test_a_token_answer_of_ten_megabytes_is_not_read_to_its_end(matrix: MatrixClient) -> None:
    closed: list[str] = []
    too_far = AssertionError("It was read to its end.")
    server = Server(
        matrix,
        token=lambda _: matrix.library.Response(
            200, stream=matrix.bodies(*[bytes(MEBIBYTE)] * 10, error=too_far, closed=closed)
        ),
    )
    with pytest.raises(InvalidTokenResponseError, match=str(MEBIBYTE)):
        await matrix.client(server).get()

    assert closed


@pytest.mark.pitfall(id="no-timeout")
@pytest.mark.parametrize("client_kind", ["httpx-asyncio", "httpx2-trio"])
async def test_a_token_request_that_is_never_answered_is_given_up_at_its_deadline(matrix: MatrixClient) -> None:
    server = Server(matrix, token=lambda _: anyio.sleep_forever())
    with pytest.raises(TokenEndpointUnavailableError, match=r"within 0\.\d s"):
        await matrix.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


async def test_a_token_answer_that_breaks_off_is_no_answer(matrix: MatrixClient) -> None:
    half = matrix.bodies(b'{"access_token":"ha', error=matrix.library.ReadError("reset"))
    server = Server(matrix, token=lambda _: matrix.library.Response(200, stream=half))
    with pytest.raises(TokenEndpointUnavailableError, match="ReadError: "):
        await matrix.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


@pytest.mark.pitfall(id="blocked-in-tests")
async def test_what_a_test_tool_raises_ends_the_fetch_at_once_with_its_own_message(matrix: MatrixClient) -> None:
    asked: list[str] = []

    def token(_: Any) -> Any:
        asked.append("asked")
        raise AssertionError("RESPX: not mocked!")

    server = Server(matrix, token=token)
    with pytest.raises(TokenEndpointUnavailableError, match="AssertionError: RESPX: not mocked!") as caught:
        await matrix.client(server).get()

    assert caught.value.cause == "unexpected"
    assert asked == ["asked"]


async def test_a_blocked_token_request_fails_the_call_with_its_own_error(matrix: MatrixClient) -> None:
    def token(_: Any) -> Any:
        raise InsecureTransportError("Blocked: a proxy would see it.", url="http://localhost/token")

    with pytest.raises(InsecureTransportError, match="a proxy would see it"):
        await matrix.client(Server(matrix, token=token)).get()


@pytest.mark.pitfall(id="closed-client")
async def test_closing_a_client_ends_its_token_request_and_closes_the_inner_transport_once(matrix: MatrixClient) -> None:
    said: list[str] = []
    asked, goes_on = threading.Event(), threading.Event()

    class Noting(matrix.library.MockTransport):  # type: ignore[name-defined, misc]  # the library is known at run time only
        def close(self) -> None:
            said.append("closed")

        async def aclose(self) -> None:
            said.append("closed")

    def token(_: Any) -> Any:
        asked.set()
        return goes_on.wait(10) if matrix.is_sync else anyio.sleep_forever()

    async def call() -> None:
        with pytest.raises(ClientClosedError):
            await client.get()
        said.append("answered")
        goes_on.set()

    make = matrix.module.client if matrix.is_sync else matrix.module.async_client
    client = Caller(make(settings=settings(), transport=Noting(Server(matrix, token=token))))
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        assert await anyio.to_thread.run_sync(asked.wait, 10)
        await client.close()

    assert sorted(said) == ["answered", "closed"]


DIFFERENCES: list[tuple[dict[str, Any], int]] = [
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
]


@pytest.mark.pitfall(id="cache-key")
@pytest.mark.parametrize("client_kind", ["httpx-asyncio"])
async def test_clients_share_a_token_where_nothing_sets_them_apart(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for other, tokens in DIFFERENCES:
        with subtests.test(str(other)):
            build.forget()
            server = Server(matrix)
            for changes in ({}, other, {}, other):
                await matrix.client(server, settings=settings(**changes)).get()

            assert len(server.token_requests) == tokens
            assert len(set(server.authorizations)) == tokens
