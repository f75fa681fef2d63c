"""How shells are made, and what else they do."""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
import pytest

from prio_middleware import (
    ConfigurationError,
    CredentialsRefusedError,
    Pipeline,
    StaticTokenProvider,
    TokenEndpointUnavailableError,
)
from prio_middleware.build import build_pipeline, build_provider
from prio_middleware.transports.replay import is_replayable
from tests.transports.world import BASE, Server, World, settings

pytestmark = pytest.mark.anyio


async def have_token(world: World, transport: Any) -> Any:
    return await (anyio.to_thread.run_sync(transport.authenticate) if world.is_sync else transport.authenticate())


def pipeline() -> Pipeline:
    return build_pipeline(settings())


async def test_a_provider_alone_means_the_default_pipeline_for_its_own_origin(world: World, server: Server) -> None:
    transport = world.transport(world.library.MockTransport(server), provider=build_provider(settings()))
    client = world.caller(transport)

    assert (await client.get()).json() == {"authorization": "Bearer token-1"}
    await client.get("https://elsewhere.example")
    assert server.authorizations == ["Bearer token-1", None]


async def test_a_provider_without_an_origin_needs_one_named(world: World, server: Server) -> None:
    inner = world.library.MockTransport(server)
    with pytest.raises(ConfigurationError, match="which origins"):
        world.transport(inner, provider=StaticTokenProvider("fixed"))
    client = world.caller(world.transport(inner, provider=StaticTokenProvider("fixed"), origins=[BASE]))

    assert (await client.get()).json() == {"authorization": "Bearer fixed"}


@pytest.mark.parametrize("both", [True, False])
async def test_pipeline_and_provider_are_one_or_the_other(world: World, server: Server, both: bool) -> None:
    given = {"pipeline": pipeline(), "provider": StaticTokenProvider("fixed")} if both else {}
    with pytest.raises(TypeError, match="either pipeline= or provider="):
        world.transport(world.library.MockTransport(server), **given)


async def test_a_token_can_be_had_before_the_first_call(world: World, server: Server) -> None:
    transport = world.transport(world.library.MockTransport(server), pipeline=pipeline())
    tokens = [await have_token(world, transport) for _ in range(2)]

    assert tokens[0] is tokens[1]
    assert server.calls == []
    assert len(server.token_requests) == 1


async def test_wrong_credentials_show_before_the_first_call(world: World) -> None:
    server = Server(world, token=lambda _: world.library.Response(401, json={"error": "invalid_client"}))
    transport = world.transport(world.library.MockTransport(server), pipeline=pipeline())
    with pytest.raises(CredentialsRefusedError) as caught:
        await have_token(world, transport)

    assert isinstance(caught.value, world.library.TransportError)


async def test_an_inner_transport_that_fails_in_its_own_way_is_an_error_of_the_tree(world: World) -> None:
    def token(_: Any) -> Any:
        raise ZeroDivisionError

    server = Server(world, token=token)
    with pytest.raises(TokenEndpointUnavailableError, match="ZeroDivisionError"):
        await world.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


async def test_closing_closes_what_is_inside(world: World) -> None:
    closed: list[str] = []

    class Inner(world.library.MockTransport):  # type: ignore[name-defined, misc]  # the library is known at run time only
        def close(self) -> None:
            closed.append("closed")

        async def aclose(self) -> None:
            closed.append("closed")

    client = world.caller(world.transport(Inner(Server(world)), pipeline=pipeline()))
    await client.close()

    assert closed == ["closed"]


class Field:
    def __init__(self, file: Any) -> None:
        self.file = file


class MultipartStream:
    def __init__(self, *files: Any) -> None:
        self.fields = [Field(file) for file in files]


class OtherStream:
    def __init__(self, source: Any) -> None:
        self._stream = source


class File:
    def __init__(self, *, seekable: bool, closed: bool = False) -> None:
        self.seekable = lambda: seekable
        self.closed = closed


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (MultipartStream(b"bytes", "text"), True),
        (MultipartStream(File(seekable=True)), True),
        (MultipartStream(File(seekable=False)), False),
        (MultipartStream(b"bytes", File(seekable=True, closed=True)), False),
        (MultipartStream(object()), False),
        (OtherStream([b"a", b"b"]), True),
        (OtherStream((b"a",)), True),
        (OtherStream(File(seekable=True)), False),
        (OtherStream(iter([b"a"])), False),
        (object(), False),
    ],
)
async def test_what_can_be_sent_again(world: World, stream: Any, expected: bool) -> None:
    assert is_replayable(stream, world.library) is expected
    assert is_replayable(world.library.ByteStream(b"bytes"), world.library)


async def test_a_list_of_chunks_of_the_library_itself_can_be_sent_again(world: World) -> None:
    make = functools.partial(world.library.Request, "POST", BASE)

    assert is_replayable(make(content=[b"a", b"b"]).stream, world.library)
    assert not is_replayable(make(content=iter([b"a", b"b"])).stream, world.library)
