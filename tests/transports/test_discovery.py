"""Metadata requests on their way through the shells: everything that holds for token requests holds for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from prio_middleware import DiscoveryError, TokenEndpointUnavailableError, TokenError
from prio_middleware.settings import ClientSettings
from tests.transports.world import API, TOKEN_URL, Server, World, settings

pytestmark = pytest.mark.anyio

ISSUER = f"{API}/tenant"
METADATA = {"issuer": ISSUER, "token_endpoint": TOKEN_URL}
MEBIBYTE = 1024 * 1024


class DiscoveredServer(Server):
    """The same with metadata in the first of the two places."""

    def __init__(self, world: World, metadata: Callable[[Any], Any] | None = None) -> None:
        super().__init__(world)
        self._metadata = metadata or (lambda _: world.library.Response(200, json=METADATA))
        self.looks: list[Any] = []

    def __call__(self, request: Any) -> Any:
        if "/.well-known/" not in request.url.path:
            return super().__call__(request)
        self.looks.append(request)
        found = request.url.path == "/.well-known/oauth-authorization-server/tenant"
        return self._metadata(request) if found else self._library.Response(404)


def discovering(**changes: Any) -> ClientSettings:
    values = {name: value for name, value in settings().model_dump(exclude_unset=True).items() if name != "token_url"}
    return ClientSettings(**{**values, "discovery": ISSUER, "token_timeout": 0.75, **changes})


async def test_the_first_call_reads_the_metadata_and_no_other_one_does(world: World) -> None:
    server = DiscoveredServer(world)
    client = world.client(server, settings=discovering())
    for _ in range(2):
        assert (await client.get()).json() == {"authorization": "Bearer token-1"}

    assert (len(server.looks), len(server.token_requests), len(server.calls)) == (1, 1, 2)


async def test_the_request_is_a_bare_one_with_a_timeout_for_every_step(world: World) -> None:
    server = DiscoveredServer(world)
    await world.client(server, settings=discovering(app={"name": "shop"})).get()
    [look] = server.looks

    assert (look.method, look.content) == ("GET", b"")
    assert set(look.headers) == {"host", "accept", "accept-encoding"}
    assert look.headers["accept-encoding"] == "identity"
    assert look.extensions["timeout"] == dict.fromkeys(["connect", "read", "write", "pool"], 0.75)


async def test_a_warm_up_reads_them_too(world: World) -> None:
    server = DiscoveredServer(world)
    transport = world.client(server, settings=discovering()).client._transport
    token = transport.authenticate()
    if not world.is_sync:
        token = await token

    assert token.authorization() == "Bearer token-1"
    assert (len(server.looks), server.calls) == (1, [])


async def test_callers_who_come_at_once_read_them_once(world: World) -> None:
    server = DiscoveredServer(world)
    client = world.client(server, settings=discovering())
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(client.get)

    assert (len(server.looks), len(server.token_requests), len(server.calls)) == (1, 1, 20)


async def failure(world: World, server: Server, **changes: Any) -> TokenError:
    with pytest.raises(world.library.TransportError) as caught:
        await world.client(server, settings=discovering(**changes)).get()
    assert isinstance(caught.value, TokenError)
    assert (server.token_requests, server.calls) == ([], [])
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(world: World, status: int) -> None:
    there = {"location": f"{API}/elsewhere"}
    server = DiscoveredServer(world, lambda _: world.library.Response(status, headers=there, json=METADATA))
    error = await failure(world, server)

    assert isinstance(error, DiscoveryError)
    assert f"a redirect with {status} to {API}/elsewhere" in error.message
    assert [look.url.path for look in server.looks] == [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
    ]


async def test_of_a_huge_answer_a_mebibyte_is_read(world: World) -> None:
    too_far = AssertionError("It was read to its end.")
    closed: list[str] = []
    server = DiscoveredServer(
        world,
        lambda _: world.library.Response(200, stream=world.bodies(*[bytes(MEBIBYTE)] * 10, error=too_far, closed=closed)),
    )
    error = await failure(world, server)

    assert "the body is too long" in error.message
    assert closed


async def test_an_inner_transport_that_fails_is_a_server_that_cannot_be_reached(world: World) -> None:
    def fail(_: Any) -> Any:
        raise world.library.ConnectError("All connection attempts failed")

    error = await failure(world, DiscoveredServer(world, fail), token_timeout=0.1, token_deadline=0.1)

    assert isinstance(error, TokenEndpointUnavailableError)
    assert "ConnectError: All connection attempts failed" in error.message
    assert error.url == f"{API}/.well-known/oauth-authorization-server/tenant"


async def test_clients_of_different_issuers_share_no_token(world: World) -> None:
    def metadata(request: Any) -> Any:
        slash = "/" if request.url.host == "other.example" else ""
        return world.library.Response(
            200, json={"issuer": f"https://{request.url.host}/tenant{slash}", "token_endpoint": TOKEN_URL}
        )

    server = DiscoveredServer(world, metadata)
    for changes in ({}, {"discovery": "https://other.example/tenant/", "allowed_token_origins": [API]}):
        await world.client(server, settings=discovering(**changes)).get()

    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]
