"""Metadata requests through the transports: equal to token requests in all respects."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from prio_middleware import DiscoveryError, TokenEndpointUnavailableError, TokenError, build
from prio_middleware.settings import ClientSettings
from tests.transports.matrix import API, TOKEN_URL, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

ISSUER = f"{API}/tenant"
METADATA = {"issuer": ISSUER, "token_endpoint": TOKEN_URL}
MEBIBYTE = 1024 * 1024


class DiscoveredServer(Server):
    """Server with metadata at the first of the two URLs."""

    def __init__(self, matrix: MatrixClient, metadata: Callable[[Any], Any] | None = None) -> None:
        super().__init__(matrix)
        self._metadata = metadata or (lambda _: matrix.library.Response(200, json=METADATA))
        self.looks: list[Any] = []

    def __call__(self, request: Any) -> Any:
        if "/.well-known/" not in request.url.path:
            return super().__call__(request)
        self.looks.append(request)
        found = request.url.path == "/.well-known/oauth-authorization-server/tenant"
        return self._metadata(request) if found else self._library.Response(404)


def discovering(**changes: Any) -> ClientSettings:
    values = {name: value for name, value in settings().model_dump(exclude_unset=True).items() if name != "token_url"}
    return ClientSettings(**{**values, "issuer": ISSUER, "discovery": True, "token_timeout": 0.75, **changes})


async def test_the_first_call_reads_the_metadata_and_no_other_one_does(matrix: MatrixClient) -> None:
    server = DiscoveredServer(matrix)
    client = matrix.client(server, settings=discovering())
    for _ in range(2):
        assert (await client.get()).json() == {"authorization": "Bearer token-1"}

    assert (len(server.looks), len(server.token_requests), len(server.calls)) == (1, 1, 2)


async def test_the_request_has_no_token_and_a_timeout_for_every_step(matrix: MatrixClient) -> None:
    server = DiscoveredServer(matrix)
    await matrix.client(server, settings=discovering(app={"name": "shop"})).get()
    [look] = server.looks

    assert (look.method, look.content) == ("GET", b"")
    assert set(look.headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert look.headers["accept-encoding"] == "identity"
    assert look.extensions["timeout"] == dict.fromkeys(["connect", "read", "write", "pool"], 0.75)


async def test_an_api_transport_that_may_not_reach_the_metadata_is_logged(matrix: MatrixClient) -> None:
    def answer(status: int, _: Any) -> Any:
        return matrix.library.Response(status)

    for status in (503, 404):
        build.forget()
        own = discovering(issuer="https://login.example", token_deadline=0.1, token_timeout=0.1)
        with pytest.raises(TokenError, match="token_transport="):
            await matrix.client(functools.partial(answer, status), settings=own).get()


async def test_a_warm_up_reads_the_metadata(matrix: MatrixClient) -> None:
    server = DiscoveredServer(matrix)
    transport = matrix.transport(matrix.library.MockTransport(server), pipeline=build.pipeline_for(discovering()))
    token = transport.authenticate()
    if not matrix.is_sync:
        token = await token

    assert token.authorization() == "Bearer token-1"
    assert (len(server.looks), server.calls) == (1, [])


async def test_simultaneous_callers_read_the_metadata_once(matrix: MatrixClient) -> None:
    server = DiscoveredServer(matrix)
    client = matrix.client(server, settings=discovering())
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(client.get)

    assert (len(server.looks), len(server.token_requests), len(server.calls)) == (1, 1, 20)


async def failure(matrix: MatrixClient, server: Server, **changes: Any) -> TokenError:
    with pytest.raises(matrix.library.TransportError) as caught:
        await matrix.client(server, settings=discovering(**changes)).get()
    assert isinstance(caught.value, TokenError)
    assert (server.token_requests, server.calls) == ([], [])
    return caught.value


async def test_a_redirect_is_not_followed(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    def redirect(status: int, _: Any) -> Any:
        return matrix.library.Response(status, headers={"location": f"{API}/elsewhere"}, json=METADATA)

    for status in (301, 302, 303, 307, 308):
        with subtests.test(str(status)):
            build.forget()
            server = DiscoveredServer(matrix, functools.partial(redirect, status))
            error = await failure(matrix, server)

            assert isinstance(error, DiscoveryError)
            assert f"{status} to {API}/elsewhere" in error.message
            assert [look.url.path for look in server.looks] == [
                "/.well-known/oauth-authorization-server/tenant",
                "/tenant/.well-known/openid-configuration",
            ]


async def test_of_a_huge_answer_a_mebibyte_is_read(matrix: MatrixClient) -> None:
    too_far = AssertionError("It was read to its end.")
    closed: list[str] = []
    server = DiscoveredServer(
        matrix,
        lambda _: matrix.library.Response(200, stream=matrix.bodies(*[bytes(MEBIBYTE)] * 10, error=too_far, closed=closed)),
    )
    error = await failure(matrix, server)

    assert isinstance(error, DiscoveryError)
    assert "too long" in error.message
    assert closed


async def test_an_inner_transport_that_fails_is_a_server_that_cannot_be_reached(matrix: MatrixClient) -> None:
    def fail(_: Any) -> Any:
        raise matrix.library.ConnectError("All connection attempts failed")

    error = await failure(matrix, DiscoveredServer(matrix, fail), token_timeout=0.1, token_deadline=0.1)

    assert isinstance(error, TokenEndpointUnavailableError)
    assert "ConnectError: " in error.message
    assert error.url == f"{API}/.well-known/oauth-authorization-server/tenant"


async def test_clients_of_different_issuers_share_no_token(matrix: MatrixClient) -> None:
    def metadata(request: Any) -> Any:
        slash = "/" if request.url.host == "other.example" else ""
        return matrix.library.Response(
            200, json={"issuer": f"https://{request.url.host}/tenant{slash}", "token_endpoint": TOKEN_URL}
        )

    server = DiscoveredServer(matrix, metadata)
    for changes in ({}, {"issuer": "https://other.example/tenant/", "allowed_token_origins": [API]}):
        await matrix.client(server, settings=discovering(**changes)).get()

    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]
