"""Refusals with slow bodies over real sockets: no call waits longer than ``look_ahead``, and no byte is lost."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from prio_middleware import build
from tests.transports.matrix import Caller, MatrixClient, settings
from tests.transports.slow_bodies import Body, Protocol, SlowServer

pytestmark = pytest.mark.anyio

INVALID = 'Bearer error="invalid_token"'
TIMEOUT = 30.0
"""Seconds after which a test counts as hanging. Each takes less than a tenth."""

LOOK_AHEAD = 0.02
"""Seconds. The server's bodies end later, even on a slow machine."""

EACH_LOOP = ["httpx-asyncio", "httpx2-trio"]
EACH_COLOUR = ["httpx2-sync", *EACH_LOOP]


@pytest.fixture
def protocol(request: pytest.FixtureRequest) -> Protocol:
    chosen: Protocol = request.param
    return chosen


@contextmanager
def does_not_hang() -> Generator[None]:
    with anyio.fail_after(TIMEOUT):
        yield


def make_client(matrix: MatrixClient, server: SlowServer, *, look_ahead: float = LOOK_AHEAD, connections: int = 1) -> Caller:
    """Return a client with one connection: the next call shows if a response keeps it busy, or leaves it half read."""
    own = settings(
        base_url=server.url,
        token_url=f"{server.url}/token",
        loopback_http_hosts=["127.0.0.1"],
        token_timeout=20.0,
        token_deadline=20.0,
    )
    make = matrix.library.HTTPTransport if matrix.is_sync else matrix.library.AsyncHTTPTransport
    newer = server.protocol == "HTTP/2"
    limits = matrix.library.Limits(max_connections=connections)
    inner = make(http1=not newer, http2=newer, verify=False, limits=limits)
    transport = matrix.transport(inner, pipeline=build.pipeline_for(own), look_ahead=look_ahead)
    return matrix.caller(transport, base_url=server.url, timeout=60.0)


async def refused(client: Caller, server: SlowServer, timeout: float = 60.0) -> Any:  # noqa: ASYNC109 - the request's
    """Return a streamed response to a call whose token was just revoked."""
    assert (await client.get("/a")).text == "good"
    server.revoke()
    return await client.send(client.client.build_request("GET", "/a", timeout=timeout), stream=True)


async def read(matrix: MatrixClient, response: Any) -> bytes:
    """Return the whole body."""
    if matrix.is_sync:
        return await anyio.to_thread.run_sync(lambda: b"".join(response.iter_raw()))
    return b"".join([chunk async for chunk in response.aiter_raw()])


async def works_again(client: Caller, server: SlowServer) -> None:
    server.revoked.clear()
    assert (await client.get("/a")).text == "good"
    await client.close()


@pytest.mark.parametrize("client_kind", EACH_COLOUR)
@pytest.mark.pitfall(id="slow-refusal")
async def test_a_refusal_that_drips_is_delivered_and_not_a_drop_is_lost(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "dripping") as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)
        await anyio.to_thread.run_sync(server.flowing.wait, TIMEOUT)
        server.release.set()
        received = await read(matrix, response)

        assert response.status_code == 401
        assert received == server.dripped
        assert received.startswith(b"012")
        assert received.endswith(b"the rest")
        assert server.authorizations == ["Bearer token-1"] * 2
        await works_again(client, server)


@pytest.mark.pitfall(id="slow-refusal")
@pytest.mark.parametrize("client_kind", EACH_LOOP)
async def test_a_refusal_that_is_silent_is_delivered_and_read_when_it_speaks(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent") as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)
        server.release.set()

        assert response.status_code == 401
        assert await read(matrix, response) == b"the rest"
        await works_again(client, server)


@pytest.mark.pitfall(id="slow-refusal")
@pytest.mark.parametrize("client_kind", EACH_LOOP)
async def test_a_refusal_that_stays_silent_can_be_closed(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent") as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)
        await response.aclose()

        await works_again(client, server)


@pytest.mark.parametrize("client_kind", EACH_LOOP)
async def test_a_caller_that_gives_up_reading_it_leaves_nothing_behind(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent") as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)
        async with anyio.create_task_group() as group:
            group.start_soon(read, matrix, response)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

        await response.aclose()
        await works_again(client, server)


@pytest.mark.parametrize("client_kind", EACH_LOOP)
async def test_a_caller_cancelled_during_the_look_ahead_leaves_nothing_behind(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent") as server, does_not_hang():
        client = make_client(matrix, server, look_ahead=2 * TIMEOUT)
        before = {task.id for task in anyio.get_running_tasks()}
        async with anyio.create_task_group() as group:
            group.start_soon(refused, client, server)
            await anyio.to_thread.run_sync(server.refused.wait)
            group.cancel_scope.cancel()

        assert {task.id for task in anyio.get_running_tasks()} <= before
        await works_again(client, server)


@pytest.mark.parametrize("client_kind", ["httpx2-sync"])
async def test_in_a_blocking_client_silence_ends_with_the_read_timeout(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent") as server, does_not_hang():
        # httpx2 does not give back an HTTP/2 connection of which a read timed out, with a plain client neither.
        client = make_client(matrix, server, connections=2)
        response = await refused(client, server, timeout=0.25)

        assert response.status_code == 401
        with pytest.raises(matrix.library.ReadTimeout):
            await read(matrix, response)
        response.close()
        await works_again(client, server)


@pytest.mark.pitfall(id="slow-refusal")
@pytest.mark.parametrize("client_kind", EACH_COLOUR)
@pytest.mark.parametrize("body", ["silent", "dripping"])
async def test_a_header_that_decides_needs_no_body(matrix: MatrixClient, protocol: Protocol, body: Body) -> None:
    with SlowServer(protocol, body, INVALID) as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)

        assert response.status_code == 200
        assert await read(matrix, response) == b"good"
        assert server.authorizations == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
        await works_again(client, server)


@pytest.mark.parametrize("client_kind", EACH_COLOUR)
async def test_a_header_that_rules_a_renewal_out_needs_no_body(matrix: MatrixClient, protocol: Protocol) -> None:
    with SlowServer(protocol, "silent", 'Bearer error="insufficient_scope"') as server, does_not_hang():
        client = make_client(matrix, server)
        response = await refused(client, server)
        server.release.set()

        assert response.status_code == 401
        assert (await read(matrix, response)).endswith(b"the rest")
        await works_again(client, server)
