"""Construction of the auth transports, ``authenticate()`` and closing."""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
import httpx
import httpx2
import pytest

from prio_middleware import (
    ConfigurationError,
    CredentialsRefusedError,
    Pipeline,
    StaticTokenProvider,
    TokenEndpointUnavailableError,
)
from prio_middleware.build import build_pipeline, build_provider
from prio_middleware.transports.bodies import is_replayable
from tests.transports.matrix import BASE, MatrixClient, Server, settings

on_its_loop = pytest.mark.anyio


async def have_token(matrix: MatrixClient, transport: Any) -> Any:
    return await (anyio.to_thread.run_sync(transport.authenticate) if matrix.is_sync else transport.authenticate())


def pipeline() -> Pipeline:
    return build_pipeline(settings())


@on_its_loop
async def test_a_provider_alone_means_the_default_pipeline_for_its_own_origin(matrix: MatrixClient, server: Server) -> None:
    transport = matrix.transport(matrix.library.MockTransport(server), provider=build_provider(settings()))
    client = matrix.caller(transport)

    assert (await client.get()).json() == {"authorization": "Bearer token-1"}
    await client.get("https://elsewhere.example")
    assert server.authorizations == ["Bearer token-1", None]


@on_its_loop
async def test_a_provider_without_an_origin_needs_one_named(matrix: MatrixClient, server: Server) -> None:
    inner = matrix.library.MockTransport(server)
    with pytest.raises(ConfigurationError, match="origins"):
        matrix.transport(inner, provider=StaticTokenProvider("fixed"))
    client = matrix.caller(matrix.transport(inner, provider=StaticTokenProvider("fixed"), origins=[BASE]))

    assert (await client.get()).json() == {"authorization": "Bearer fixed"}


@on_its_loop
async def test_pipeline_and_provider_are_one_or_the_other(matrix: MatrixClient, server: Server) -> None:
    for given in ({"pipeline": pipeline(), "provider": StaticTokenProvider("fixed")}, {}):
        with pytest.raises(TypeError, match="pipeline= or provider="):
            matrix.transport(matrix.library.MockTransport(server), **given)


@on_its_loop
async def test_a_token_can_be_had_before_the_first_call(matrix: MatrixClient, server: Server) -> None:
    transport = matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline())
    tokens = [await have_token(matrix, transport) for _ in range(2)]

    assert tokens[0] is tokens[1]
    assert server.calls == []
    assert len(server.token_requests) == 1


@on_its_loop
async def test_wrong_credentials_show_before_the_first_call(matrix: MatrixClient) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
    transport = matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline())
    with pytest.raises(CredentialsRefusedError) as caught:
        await have_token(matrix, transport)

    assert isinstance(caught.value, matrix.library.TransportError)


@on_its_loop
async def test_an_inner_transport_that_fails_in_its_own_way_is_an_error_of_the_tree(matrix: MatrixClient) -> None:
    def token(_: Any) -> Any:
        raise ZeroDivisionError

    server = Server(matrix, token=token)
    with pytest.raises(TokenEndpointUnavailableError, match="ZeroDivisionError"):
        await matrix.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()

    assert server.calls == []


@on_its_loop
async def test_closing_closes_what_is_inside(matrix: MatrixClient) -> None:
    closed: list[str] = []

    class Inner(matrix.library.MockTransport):  # type: ignore[name-defined, misc]  # the library is known at run time only
        def close(self) -> None:
            closed.append("closed")

        async def aclose(self) -> None:
            closed.append("closed")

    client = matrix.caller(matrix.transport(Inner(Server(matrix)), pipeline=pipeline()))
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


REPLAYABLE = [
    MultipartStream(b"bytes", "text"),
    MultipartStream(File(seekable=True)),
    OtherStream([b"a", b"b"]),
    OtherStream((b"a",)),
]
SENT_ONCE = [
    MultipartStream(File(seekable=False)),
    MultipartStream(b"bytes", File(seekable=True, closed=True)),
    MultipartStream(object()),
    OtherStream(File(seekable=True)),
    OtherStream(iter([b"a"])),
    object(),
]


def test_what_can_be_sent_again(subtests: pytest.Subtests) -> None:
    libraries: list[Any] = [httpx, httpx2]
    for library in libraries:
        for number, stream in enumerate([*REPLAYABLE, library.ByteStream(b"bytes"), *SENT_ONCE]):
            with subtests.test(f"{library.__name__} {number}"):
                assert is_replayable(stream, library) is (stream not in SENT_ONCE)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_list_of_chunks_of_the_library_itself_can_be_sent_again(library: Any) -> None:
    make = functools.partial(library.Request, "POST", BASE)

    assert is_replayable(make(content=[b"a", b"b"]).stream, library)
    assert not is_replayable(make(content=iter([b"a", b"b"])).stream, library)


@pytest.mark.anyio
async def test_a_client_of_an_ended_event_loop_says_so(matrix: MatrixClient) -> None:
    """asyncio raises this error if a connection of an earlier ``asyncio.run`` is used again."""
    for message, kind in (("Event loop is closed", ConfigurationError), ("another bug", RuntimeError)):

        def fails(_: Any, message: str = message) -> Any:
            raise RuntimeError(message)

        client = matrix.client(Server(matrix, respond=fails))
        with pytest.raises(RuntimeError if matrix.is_sync else kind, match=None if matrix.is_sync else "event loop|bug"):
            await client.get("/products")
