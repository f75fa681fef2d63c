"""What happens when the server refuses the token."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import (
    BodyNotReplayableError,
    HeaderInjector,
    NewTokenUnavailableError,
    Pipeline,
    StaticTokenProvider,
    Verdict,
)
from tests.transports.world import BASE, Caller, Server, World, settings

pytestmark = pytest.mark.anyio
REASON = "prio_middleware.reason"


async def warm(world: World, server: Server) -> Caller:
    """A client whose token was just revoked."""
    client = world.client(server)
    await client.get()
    server.revoke(1)
    server.calls.clear()
    return client


async def test_a_revoked_token_is_replaced_and_the_call_succeeds(world: World, server: Server) -> None:
    client = await warm(world, server)

    assert (await client.get()).json() == {"authorization": "Bearer token-2"}
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_a_call_is_sent_twice_at_most(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    response = await world.client(server).get()

    assert response.status_code == 401
    assert response.json()["error_reference"] == "REF-1"
    assert len(server.calls) == 2
    assert len(server.token_requests) == 2


@pytest.mark.pitfall(id="body-replay")
@pytest.mark.parametrize(
    "body",
    [
        {"content": b"bytes"},
        {"json": {"a": 1}},
        {"data": {"a": "b"}},
        {"files": {"file": b"upload"}},
        {"files": {"file": io.BytesIO(b"from a file")}, "data": {"a": "b"}},
    ],
    ids=["bytes", "json", "form", "multipart bytes", "multipart file"],
)
async def test_a_body_that_can_be_sent_again_arrives_whole(world: World, server: Server, body: dict[str, Any]) -> None:
    client = await _unread(world, server)
    response = await client.post(**body)
    first, second = (content for _, _, _, content in server.calls)

    assert response.status_code == 200
    assert first == second != b""


@pytest.mark.pitfall(id="body-replay")
@pytest.mark.pitfall(id="unreplayable-body")
@pytest.mark.parametrize("kind", ["generator", "open file"])
async def test_a_body_that_cannot_is_not_sent_again_and_the_refusal_says_why(
    world: World, server: Server, kind: str, tmp_path: Path
) -> None:
    client = await _unread(world, server)
    path = tmp_path / "body"
    path.write_bytes(b"on disk")
    with path.open("rb") as file:
        response = await client.post(content=file if world.is_sync and kind == "open file" else _once(world))
    reason = response.extensions[REASON]

    assert response.status_code == 401
    assert len(server.calls) == 1
    assert isinstance(reason, BodyNotReplayableError)
    assert reason.error_reference == "REF-1"
    assert reason.client == "shop"
    assert (await client.get()).json() == {"authorization": "Bearer token-2"}


@pytest.mark.pitfall(id="unreplayable-body")
async def test_a_refused_token_is_dropped_though_the_body_could_not_be_sent_again(world: World, server: Server) -> None:
    client = await _unread(world, server)
    await client.post(content=_once(world))
    await client.get()

    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def _unread(world: World, server: Server) -> Caller:
    """A client with a revoked token whose transport streams the request as a real one does."""
    client = world.caller(world.transport(Streaming(world, server), pipeline=_pipeline()))
    await client.get()
    server.revoke(1)
    server.calls.clear()
    return client


class Streaming:
    """Reads a request's body from its stream, and leaves the request as it was: like a socket."""

    def __init__(self, world: World, server: Server) -> None:
        self._library = world.library
        self._server = server

    def handle_request(self, request: Any) -> Any:
        return self._server(
            self._library.Request(request.method, request.url, headers=request.headers.raw, content=b"".join(request.stream))
        )

    async def handle_async_request(self, request: Any) -> Any:
        content = b"".join([chunk async for chunk in request.stream])
        return self._server(self._library.Request(request.method, request.url, headers=request.headers.raw, content=content))

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def _once(world: World) -> Any:
    if world.is_sync:
        return (chunk for chunk in [b"once"])

    async def chunks() -> Any:
        yield b"once"

    return chunks()


@pytest.mark.pitfall(id="hidden-refusal")
async def test_when_no_new_token_can_be_had_the_servers_refusal_is_delivered_with_the_reason(world: World) -> None:
    def token(_: Any) -> Any:
        return server.grant() if not server.granted else world.library.Response(400, json={"error": "unauthorized_client"})

    server = Server(world, token=token)
    client = await warm(world, server)
    response = await client.get()
    reason = response.extensions[REASON]

    assert response.status_code == 401
    assert response.json() == {"error": "invalid_token", "error_reference": "REF-1"}
    assert isinstance(reason, NewTokenUnavailableError)
    assert "unauthorized_client" in str(reason)


async def test_a_fixed_token_that_is_refused_leads_to_the_refusal(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    provider = StaticTokenProvider("fixed")
    transport = world.transport(world.library.MockTransport(server), provider=provider, origins=[BASE])
    response = await world.caller(transport).get()

    assert response.status_code == 401
    assert server.authorizations == ["Bearer fixed"]
    assert isinstance(response.extensions[REASON], NewTokenUnavailableError)


async def test_a_second_try_that_breaks_on_the_way_raises_what_broke_it(world: World) -> None:
    """The request may have been carried out: the first refusal would be a lie."""
    server = Server(world)

    def respond(_: Any) -> Any:
        if len(server.calls) == 1:
            return server.refuse()
        raise world.library.ReadTimeout("no answer")

    server._respond = respond
    with pytest.raises(world.library.ReadTimeout):
        await world.client(server).get()


@pytest.mark.pitfall(id="unclosed-refusal")
async def test_the_refused_response_is_closed_before_the_second_try(world: World) -> None:
    closed: list[str] = []
    server = Server(world)

    def respond(_: Any) -> Any:
        if len(server.calls) == 1:
            return world.library.Response(401, stream=world.bodies(b"{}", closed=closed))
        assert closed
        return None

    server._respond = respond

    assert (await world.client(server).get()).status_code == 200


@pytest.mark.pitfall(id="refusal-body")
async def test_a_streamed_refusal_arrives_raw_and_whole(world: World) -> None:
    packed = gzip.compress(b'{"error": "insufficient_scope"}' * 10)
    headers = {"content-encoding": "gzip", "www-authenticate": 'Bearer error="insufficient_scope"'}
    server = Server(
        world, respond=lambda _: world.library.Response(403, headers=headers, stream=world.bodies(packed[:9], packed[9:]))
    )
    response, chunks = await world.client(server).stream("GET", "/products")

    assert response.status_code == 403
    assert b"".join(chunks) == packed
    assert len(server.calls) == 1


@pytest.mark.pitfall(id="refusal-body")
@pytest.mark.pitfall(id="two-libraries")
async def test_a_long_refusal_streams_through_and_is_never_tried_again(world: World) -> None:
    closed: list[str] = []
    pieces = [b"x" * 40_000] * 4
    server = Server(world, respond=lambda _: world.library.Response(401, stream=world.bodies(*pieces, closed=closed)))
    _, chunks = await world.client(server).stream("GET", "/products")

    assert b"".join(chunks) == b"".join(pieces)
    assert len(server.calls) == 1
    assert closed


@pytest.mark.pitfall(id="unclosed-refusal")
@pytest.mark.pitfall(id="refusal-body")
async def test_a_long_refusal_can_be_closed_half_read(world: World) -> None:
    closed: list[str] = []
    server = Server(
        world, respond=lambda _: world.library.Response(401, stream=world.bodies(*[b"x" * 40_000] * 4, closed=closed))
    )
    client = world.client(server)
    response = await client.send(client.client.build_request("GET", "/x"), stream=True)
    assert closed == []
    await client._run(response.close if world.is_sync else response.aclose)

    assert closed


@pytest.mark.pitfall(id="refusal-body")
async def test_a_refusal_that_breaks_off_breaks_for_its_reader(world: World) -> None:
    broken = world.library.RemoteProtocolError("cut off")
    server = Server(world, respond=lambda _: world.library.Response(401, stream=world.bodies(b'{"err', error=broken)))
    with pytest.raises(world.library.RemoteProtocolError):
        await world.client(server).get()

    assert len(server.calls) == 1


async def test_a_component_that_fails_in_judging_leaves_no_connection_open(world: World) -> None:
    closed: list[str] = []

    class Faulty:
        def on_response(self, exchange: object, response: object) -> Verdict:
            raise ZeroDivisionError

    server = Server(world, respond=lambda _: world.library.Response(200, stream=world.bodies(b"{}", closed=closed)))
    pipeline = Pipeline([Faulty(), *_pipeline().components])
    client = world.caller(world.transport(world.library.MockTransport(server), pipeline=pipeline))
    with pytest.raises(ZeroDivisionError):
        await client.get()

    assert closed


async def test_a_component_of_ones_own_may_ask_for_a_new_token(world: World) -> None:
    class Teapot:
        judges = frozenset({418})

        def on_response(self, exchange: Any, response: Any) -> Verdict:
            return Verdict.REAUTHENTICATE if response.status_code == 418 else Verdict.DELIVER

    server = Server(world, respond=lambda _: world.library.Response(418, json={}))
    provider = _pipeline().provider
    client = world.caller(
        world.transport(world.library.MockTransport(server), pipeline=Pipeline([Teapot(), provider, HeaderInjector()]))
    )
    response = await client.get()

    assert response.status_code == 418
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.pitfall(id="chained-errors")
@pytest.mark.pitfall(id="two-libraries")
async def test_an_error_of_the_tree_is_the_librarys_too_and_travels_between_processes(world: World) -> None:
    server = Server(world, token=lambda _: world.library.Response(200, content=b"<html>"))
    client = world.client(server)
    with pytest.raises(world.library.TransportError) as caught:
        await client.get()
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))

    assert error.request.url == f"{BASE}/products"
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def _pipeline() -> Pipeline:
    from prio_middleware.build import build_pipeline

    return build_pipeline(settings())
