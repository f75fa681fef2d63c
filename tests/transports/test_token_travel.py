"""Where the token goes, and where it must never go."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import Exchange, ForeignOriginError, InsecureTransportError, Pipeline, PolicyError, StaticTokenProvider
from tests.transports.world import API, SECRET, Server, World, settings

pytestmark = pytest.mark.anyio
FOREIGN = "https://elsewhere.example/landing"


async def test_every_call_carries_the_token(world: World, server: Server) -> None:
    client = world.client(server)
    for _ in range(3):
        assert (await client.get()).json() == {"authorization": "Bearer token-1"}

    assert len(server.token_requests) == 1


@pytest.mark.pitfall(id="header-on-callers-request")
async def test_the_token_stays_off_everything_the_caller_can_see(world: World, server: Server) -> None:
    client = world.client(server)
    request = client.client.build_request("GET", "/products")
    response = await client.send(request)

    for seen in (request, response.request):
        assert "authorization" not in seen.headers
    assert "token-1" not in repr(vars(request))


async def test_the_callers_own_authorization_is_left_alone(world: World, server: Server) -> None:
    client = world.client(server)
    response = await client.get(headers={"authorization": "Basic own"})

    assert response.json() == {"authorization": "Basic own"}
    assert server.token_requests == []


async def test_the_callers_own_authorization_is_left_alone_also_where_a_token_is_at_hand(world: World, server: Server) -> None:
    client = world.client(server, settings=settings(app={"name": "Shop"}))
    await client.get()
    await client.get(headers=[("authorization", "Basic own"), ("AUTHORIZATION", "Basic two"), ("x-own", "kept")])

    headers = server.calls[1][2]
    assert headers["authorization"] == "Basic own, Basic two"
    assert (headers["x-own"], headers["app-name"]) == ("kept", "Shop")


async def test_a_refusal_of_the_callers_own_authorization_is_his(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    client = world.client(server)
    response = await client.get(headers={"Authorization": "Basic own"})

    assert response.status_code == 401
    assert len(server.calls) == 1
    assert server.token_requests == []


class OwnInjector:
    """A component of somebody else's in the place of the header injector."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.token is not None:
            exchange.headers["authorization"] = f"Custom {exchange.token.value.reveal()}"


async def test_another_injector_sees_no_token_for_a_call_with_its_own_authorization(world: World, server: Server) -> None:
    pipeline = Pipeline([StaticTokenProvider("fixed"), OwnInjector()])
    client = world.caller(world.transport(world.library.MockTransport(server), pipeline=pipeline))
    assert (await client.get()).json() == {"authorization": "Custom fixed"}
    assert (await client.get(headers={"authorization": "Basic own"})).json() == {"authorization": "Basic own"}


@pytest.mark.pitfall(id="absolute-url")
async def test_another_origin_gets_nothing_of_ours(world: World, server: Server) -> None:
    client = world.client(server, settings=settings(app={"name": "Shop"}))
    await client.get()
    await client.get(FOREIGN)

    ours, foreign = (headers for _, _, headers, _ in server.calls)
    assert ours["app-name"] == "Shop"
    assert ours["authorization"] == "Bearer token-1"
    assert not {"app-name", "authorization"} & foreign.keys()


@pytest.mark.pitfall(id="absolute-url")
async def test_on_request_another_origin_is_refused(world: World, server: Server) -> None:
    client = world.client(server, settings=settings(foreign_origins="refuse"))
    with pytest.raises(ForeignOriginError) as caught:
        await client.get(FOREIGN)

    assert server.calls == []
    assert isinstance(caught.value, world.library.TransportError)


def redirecting(world: World, hops: dict[str, str]) -> Any:
    def respond(request: Any) -> Any:
        target = hops.get(str(request.url))
        return target and world.library.Response(302, headers={"location": target})

    return respond


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_a_redirect_to_another_host_carries_no_token_and_neither_does_the_way_back(world: World) -> None:
    back = f"{API}/v1/back"
    server = Server(world, respond=redirecting(world, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    client = world.client(server, follow_redirects=True)
    response = await client.get()

    assert str(response.url) == back
    assert server.authorizations == ["Bearer token-1", None, None]
    assert (await client.get(back)).json() == {"authorization": "Bearer token-1"}


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_the_way_back_stays_bare_when_the_hop_went_through_another_mount(world: World) -> None:
    back = f"{API}/v1/back"
    server = Server(world, respond=redirecting(world, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    transport = world.transport(world.library.MockTransport(server), pipeline=_pipeline())
    client = world.caller(
        transport, mounts={"https://elsewhere.example": world.library.MockTransport(server)}, follow_redirects=True
    )
    await client.get()

    assert server.authorizations == ["Bearer token-1", None, None]


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_the_way_back_stays_bare_when_the_caller_follows_by_hand(world: World) -> None:
    back = f"{API}/v1/back"
    server = Server(world, respond=redirecting(world, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    client = world.client(server)
    response = await client.get()
    while response.next_request:
        response = await client.send(response.next_request)

    assert server.authorizations == ["Bearer token-1", None, None]


async def test_the_same_request_object_sent_again_starts_a_new_chain(world: World) -> None:
    server = Server(world, respond=redirecting(world, {f"{API}/v1/products": FOREIGN}))
    client = world.client(server)
    request = client.client.build_request("GET", "/products")
    for _ in range(2):
        await client.send(request)

    assert server.authorizations == ["Bearer token-1", "Bearer token-1"]


@pytest.mark.pitfall(id="header-on-callers-request")
async def test_a_redirect_within_the_origin_carries_a_fresh_token(world: World) -> None:
    server = Server(world)

    def respond(request: Any) -> Any:
        if request.url.path == "/v1/products":
            server.revoke(1)
            return world.library.Response(307, headers={"location": "/v1/there"})
        return None

    server._respond = respond
    response = await world.client(server, follow_redirects=True).get()

    assert response.json() == {"authorization": "Bearer token-2"}


@pytest.mark.parametrize("url", ["http://api.example/v1/products", "http://elsewhere.example/", "ftp://api.example/x"])
async def test_plain_http_is_refused_before_anything_happens(world: World, server: Server, url: str) -> None:
    client = world.client(server)
    with pytest.raises(InsecureTransportError) as caught:
        await client.get(url)

    assert isinstance(caught.value, world.library.TransportError | PolicyError)
    assert caught.value.client == "shop"
    assert server.calls == server.token_requests == []


async def test_a_redirect_to_plain_http_is_refused(world: World) -> None:
    server = Server(world, respond=redirecting(world, {f"{API}/v1/products": "http://api.example/v1/plain"}))
    with pytest.raises(InsecureTransportError):
        await world.client(server, follow_redirects=True).get()

    assert len(server.calls) == 1


async def test_plain_http_to_a_named_loopback_host_passes(world: World, server: Server) -> None:
    local = settings(base_url="http://127.0.0.1:9/v1", token_url="http://127.0.0.1:9/token", loopback_http_hosts=["127.0.0.1"])

    assert (await world.client(server, settings=local).get()).status_code == 200


@pytest.mark.pitfall(id="redirected-token-request")
async def test_the_token_request_follows_no_redirect(world: World) -> None:
    server = Server(world, token=lambda _: world.library.Response(307, headers={"location": "https://thief.example/token"}))
    client = world.client(server, follow_redirects=True)
    with pytest.raises(world.library.TransportError, match="redirects with 307"):
        await client.get()

    assert len(server.token_requests) == 1
    assert server.calls == []


@pytest.mark.pitfall(id="callers-extensions")
async def test_the_callers_options_are_read_and_never_written(world: World, server: Server) -> None:
    client = world.client(server)
    extensions = {"prio": {"scope": "orders"}}
    for _ in range(2):
        await client.get(extensions=extensions)

    assert extensions == {"prio": {"scope": "orders"}}
    assert [b"scope=orders" in content for _, content, _ in server.token_requests] == [True]


@pytest.mark.pitfall(id="missing-token")
async def test_nothing_is_sent_when_no_token_can_be_had(world: World) -> None:
    server = Server(
        world, token=lambda _: world.library.Response(401, json={"error": "invalid_client", "error_description": SECRET})
    )
    with pytest.raises(world.library.HTTPError) as caught:
        await world.client(server).get()

    assert server.calls == []
    assert SECRET not in str(caught.value)


def _pipeline() -> Any:
    from prio_middleware.build import build_pipeline

    return build_pipeline(settings())
