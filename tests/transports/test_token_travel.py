"""Destinations of the token, allowed and forbidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import (
    ApplicationInfo,
    ConfigurationError,
    Exchange,
    ForeignOriginError,
    HeaderInjector,
    HTTPSEnforcer,
    InsecureTransportError,
    OriginGuard,
    Pipeline,
    PolicyError,
    StaticTokenProvider,
    TokenEndpointUnavailableError,
    UnsupportedProtocolError,
    Verdict,
)
from prio_middleware.build import pipeline_for
from tests.transports.matrix import API, SECRET, Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio
FOREIGN = "https://elsewhere.example/landing"


async def test_every_call_carries_the_token(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    for _ in range(3):
        assert (await client.get()).json() == {"authorization": "Bearer token-1"}

    assert len(server.token_requests) == 1


@pytest.mark.pitfall(id="header-on-callers-request")
async def test_the_token_stays_off_everything_the_caller_can_see(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    request = client.client.build_request("GET", "/products")
    response = await client.send(request)

    for seen in (request, response.request):
        assert "authorization" not in seen.headers
    assert "token-1" not in repr(vars(request))


async def test_the_callers_own_authorization_is_left_alone(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    response = await client.get(headers={"authorization": "Basic own"})

    assert response.json() == {"authorization": "Basic own"}
    assert server.token_requests == []


async def test_the_callers_own_authorization_is_left_alone_also_where_a_token_is_at_hand(
    matrix: MatrixClient, server: Server
) -> None:
    client = matrix.client(server, settings=settings(app={"name": "Shop"}))
    await client.get()
    await client.get(headers=[("authorization", "Basic own"), ("AUTHORIZATION", "Basic two"), ("x-own", "kept")])

    headers = server.calls[1][2]
    assert headers["authorization"] == "Basic own, Basic two"
    assert (headers["x-own"], headers["app-name"]) == ("kept", "Shop")


async def test_a_rejection_of_the_callers_own_authorization_is_returned_to_the_caller(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    client = matrix.client(server)
    response = await client.get(headers={"Authorization": "Basic own"})

    assert response.status_code == 401
    assert len(server.calls) == 1
    assert server.token_requests == []


@pytest.mark.pitfall(id="websocket-origin")
async def test_a_websocket_to_an_own_origin_carries_the_token(matrix: MatrixClient, server: Server) -> None:
    """Open a WebSocket as httpx-ws does: with an ordinary request to a wss:// URL."""
    own = settings(allowed_origins=["wss://live.example"], foreign_origins="refuse")
    client = matrix.client(server, settings=own)
    urls = ["wss://api.example/live", "wss://live.example/feed", "https://live.example/feed"]
    for url in urls:
        await client.get(url, headers={"connection": "upgrade", "upgrade": "websocket"})

    assert [(url, headers["authorization"]) for _, url, headers, _ in server.calls] == [(url, "Bearer token-1") for url in urls]


@pytest.mark.pitfall(id="websocket-origin")
async def test_a_websocket_to_elsewhere_or_in_the_clear_carries_none(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    await client.get("wss://elsewhere.example/live")
    with pytest.raises(InsecureTransportError):
        await client.get("ws://api.example/live")

    assert server.authorizations == [None]
    assert server.token_requests == []


class OwnInjector:
    """Third-party component in the place of the header injector."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.token is not None:
            exchange.headers["authorization"] = f"Custom {exchange.token.value.reveal()}"


async def test_another_injector_sees_no_token_for_a_call_with_its_own_authorization(
    matrix: MatrixClient, server: Server
) -> None:
    pipeline = Pipeline([HTTPSEnforcer(), OriginGuard([API]), StaticTokenProvider("fixed"), OwnInjector()])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    assert (await client.get()).json() == {"authorization": "Custom fixed"}
    assert (await client.get(headers={"authorization": "Basic own"})).json() == {"authorization": "Basic own"}


def bypass(exchange: Exchange) -> None:
    exchange.bypass()


def take_the_token_off(exchange: Exchange) -> None:
    exchange.token = None


def ask_for_none(exchange: Exchange) -> None:
    exchange.options = None


class Inside:
    """Component after the token provider that sends some requests without the token."""

    def __init__(self, say: Callable[[Exchange], None]) -> None:
        self.say = say

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.url.path.endswith("/public"):
            self.say(exchange)
            exchange.headers["X-Late"] = "written afterwards"


class Presenting(OwnInjector):
    """Component that presents the token that it saw before."""

    seen = ""

    def on_request(self, exchange: Exchange) -> None:
        self.seen = exchange.token.value.reveal() if exchange.token else self.seen
        exchange.headers["X-Token"] = exchange.headers["Authorization"] = self.seen


def around(*inside: Any) -> Pipeline:
    outside: list[Any] = [HTTPSEnforcer(), OriginGuard([API]), ApplicationInfo(name="Shop")]
    return Pipeline([*outside, StaticTokenProvider("fixed"), *inside])


@pytest.mark.pitfall(id="bare-inside")
@pytest.mark.parametrize("say", [bypass, take_the_token_off, ask_for_none])
async def test_a_component_inside_the_provider_may_bypass_the_token(
    matrix: MatrixClient, say: Callable[[Exchange], None]
) -> None:
    for inside in ([Inside(say), HeaderInjector()], [HeaderInjector(), Inside(say)]):
        server = Server(matrix)
        client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=around(*inside)))
        await client.get("/public", headers={"x-own": "kept"})
        await client.get()

        (_, _, bare, _), (_, _, usual, _) = server.calls
        assert bare["x-own"] == "kept"
        assert not {"authorization", "app-name", "x-late"} & bare.keys()
        assert (usual["authorization"], usual["app-name"]) == ("Bearer fixed", "Shop")


@pytest.mark.pitfall(id="bare-inside")
async def test_no_later_component_puts_the_token_back(matrix: MatrixClient, server: Server) -> None:
    pipeline = around(Presenting(), Inside(bypass), Presenting(), HeaderInjector())
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    await client.get()
    await client.get("/public")

    assert "fixed" in str(server.calls[0])
    assert "fixed" not in str(server.calls[1])


async def test_the_callers_own_header_is_sent_where_a_component_inside_removes_the_token(matrix: MatrixClient) -> None:
    for inside in ([Inside(take_the_token_off), HeaderInjector()], [HeaderInjector(), Inside(take_the_token_off)]):
        server = Server(matrix)
        client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=around(*inside)))
        for own in ("/public", "/products"):
            await client.get(own, headers={"authorization": "Basic own"})

        sent = [(headers["authorization"], headers["app-name"]) for _, _, headers, _ in server.calls]
        assert sent == [("Basic own", "Shop")] * 2


class Listener:
    """Component that asks for re-authentication at each response, also without a token."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []

    def on_response(self, exchange: Exchange, response: object) -> Verdict:
        self.heard.append((exchange.request.url.path, exchange.bypassed))
        return Verdict.REAUTHENTICATE


async def test_a_bypassed_request_is_sent_once_and_observed_up_to_its_component(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    outer, inner, innermost = Listener(), Listener(), Listener()
    outer.refusal_statuses = frozenset({401})  # type: ignore[attr-defined]  # outside, a component may judge
    guards: list[Any] = [HTTPSEnforcer(), OriginGuard([API])]
    pipeline = Pipeline([*guards, outer, StaticTokenProvider("fixed"), inner, Inside(bypass), innermost, HeaderInjector()])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    response = await client.get("/public")

    assert response.json()["error"] == "invalid_token"
    assert server.authorizations == [None]
    assert outer.heard == inner.heard == [("/v1/public", True)]
    assert innermost.heard == []


async def test_a_retry_may_bypass_the_token(matrix: MatrixClient) -> None:
    class OnSecond:
        def on_request(self, exchange: Exchange) -> None:
            if exchange.attempt == 2:
                exchange.bypass()

    server = Server(matrix)
    server.revoke(1)
    *default, injector = _pipeline().components
    pipeline = Pipeline([*default, injector, OnSecond()])
    response = await matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline)).get()

    assert response.status_code == 200
    assert server.authorizations == ["Bearer token-1", None]


async def test_options_of_the_call_do_not_bring_back_a_token_that_a_component_declined(
    matrix: MatrixClient, server: Server
) -> None:
    class Public:
        def on_request(self, exchange: Exchange) -> None:
            exchange.options = None

    *outside, provider, injector = _pipeline().components
    pipeline = Pipeline([*outside, Public(), provider, injector])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    await client.get(extensions={"prio": {"scope": "orders"}})

    assert (server.authorizations, server.token_requests) == ([None], [])


@pytest.mark.pitfall(id="absolute-url")
async def test_another_origin_gets_nothing_that_was_written_before_the_guard(matrix: MatrixClient, server: Server) -> None:
    pipeline = Pipeline(
        [ApplicationInfo(name="Shop"), HTTPSEnforcer(), OriginGuard([API]), StaticTokenProvider("fixed"), HeaderInjector()]
    )
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    await client.get(FOREIGN, headers={"app-name": "the caller's"})
    await client.get(FOREIGN)

    assert [headers.get("app-name") for _, _, headers, _ in server.calls] == ["the caller's", None]


@pytest.mark.pitfall(id="absolute-url")
async def test_another_origin_gets_no_token_and_no_app_header(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=settings(app={"name": "Shop"}))
    await client.get()
    await client.get(FOREIGN)

    ours, foreign = (headers for _, _, headers, _ in server.calls)
    assert ours["app-name"] == "Shop"
    assert ours["authorization"] == "Bearer token-1"
    assert not {"app-name", "authorization"} & foreign.keys()


@pytest.mark.pitfall(id="absolute-url")
async def test_on_request_another_origin_is_blocked(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=settings(foreign_origins="refuse"))
    with pytest.raises(ForeignOriginError) as caught:
        await client.get(FOREIGN)

    assert server.calls == []
    assert isinstance(caught.value, matrix.library.TransportError)


def redirecting(matrix: MatrixClient, hops: dict[str, str]) -> Any:
    def respond(request: Any) -> Any:
        target = hops.get(str(request.url))
        return target and matrix.library.Response(302, headers={"location": target})

    return respond


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_redirects_to_another_host_and_back_carry_no_token(matrix: MatrixClient) -> None:
    back = f"{API}/v1/back"
    server = Server(matrix, respond=redirecting(matrix, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    client = matrix.client(server, follow_redirects=True)
    response = await client.get()

    assert str(response.url) == back
    assert server.authorizations == ["Bearer token-1", None, None]
    assert (await client.get(back)).json() == {"authorization": "Bearer token-1"}


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_the_way_back_gets_no_token_when_the_hop_went_through_another_mount(matrix: MatrixClient) -> None:
    back = f"{API}/v1/back"
    server = Server(matrix, respond=redirecting(matrix, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    transport = matrix.transport(matrix.library.MockTransport(server), pipeline=_pipeline())
    client = matrix.caller(
        transport, mounts={"https://elsewhere.example": matrix.library.MockTransport(server)}, follow_redirects=True
    )
    await client.get()

    assert server.authorizations == ["Bearer token-1", None, None]


@pytest.mark.pitfall(id="cross-origin-redirect")
async def test_the_way_back_gets_no_token_when_the_caller_follows_by_hand(matrix: MatrixClient) -> None:
    back = f"{API}/v1/back"
    server = Server(matrix, respond=redirecting(matrix, {f"{API}/v1/products": FOREIGN, FOREIGN: back}))
    client = matrix.client(server)
    response = await client.get()
    while response.next_request:
        response = await client.send(response.next_request)

    assert server.authorizations == ["Bearer token-1", None, None]


async def test_the_same_request_object_sent_again_starts_a_new_chain(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=redirecting(matrix, {f"{API}/v1/products": FOREIGN}))
    client = matrix.client(server)
    request = client.client.build_request("GET", "/products")
    for _ in range(2):
        await client.send(request)

    assert server.authorizations == ["Bearer token-1", "Bearer token-1"]


@pytest.mark.pitfall(id="header-on-callers-request")
async def test_a_redirect_within_the_origin_carries_a_fresh_token(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        if request.url.path == "/v1/products":
            server.revoke(1)
            return matrix.library.Response(307, headers={"location": "/v1/there"})
        return None

    server = Server(matrix, respond=respond)
    response = await matrix.client(server, follow_redirects=True).get()

    assert response.json() == {"authorization": "Bearer token-2"}


async def test_plain_http_is_blocked_before_anything_happens(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    for url in ("http://api.example/v1/products", "http://elsewhere.example/"):
        with pytest.raises(InsecureTransportError) as caught:
            await client.get(url)

        assert isinstance(caught.value, matrix.library.TransportError)
        assert isinstance(caught.value, PolicyError)
        assert caught.value.client == "shop"
    assert server.calls == server.token_requests == []


async def test_a_url_that_is_no_http_is_refused_as_the_library_would(matrix: MatrixClient, server: Server) -> None:
    plain = matrix.library.Client if matrix.is_sync else matrix.library.AsyncClient
    client = Caller(plain(transport=matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline_for(settings()))))
    for url in ("ftp://api.example/x", "api.example/x"):
        with pytest.raises(matrix.library.UnsupportedProtocol) as caught:
            await client.get(url)

        assert isinstance(caught.value, UnsupportedProtocolError)
    assert server.calls == server.token_requests == []


async def test_a_redirect_to_plain_http_is_blocked(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=redirecting(matrix, {f"{API}/v1/products": "http://api.example/v1/plain"}))
    with pytest.raises(InsecureTransportError):
        await matrix.client(server, follow_redirects=True).get()

    assert len(server.calls) == 1


async def test_plain_http_to_a_named_loopback_host_passes(matrix: MatrixClient, server: Server) -> None:
    local = settings(base_url="http://127.0.0.1:9/v1", token_url="http://127.0.0.1:9/token", loopback_http_hosts=["127.0.0.1"])

    assert (await matrix.client(server, settings=local).get()).status_code == 200


@pytest.mark.pitfall(id="redirected-token-request")
async def test_the_token_request_follows_no_redirect(matrix: MatrixClient) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(307, headers={"location": "https://thief.example/token"}))
    client = matrix.client(server, follow_redirects=True)
    with pytest.raises(matrix.library.TransportError, match="307"):
        await client.get()

    assert len(server.token_requests) == 1
    assert server.calls == []


def following(matrix: MatrixClient, module: str = __name__, **attributes: Any) -> Any:
    """Return a transport that follows redirects itself, as its HTTP library tells or is known to."""
    base = matrix.library.BaseTransport if matrix.is_sync else matrix.library.AsyncBaseTransport
    return type("PyqwestTransport", (base,), {"__module__": module, **attributes})()


@pytest.mark.pitfall(id="redirecting-transport")
async def test_a_transport_that_follows_redirects_itself_is_refused(
    matrix: MatrixClient, server: Server, subtests: pytest.Subtests
) -> None:
    """It posts the client's secret to the other host, and no one sees the redirect."""
    make = matrix.module.client if matrix.is_sync else matrix.module.async_client
    mock = matrix.library.MockTransport(server)
    for inner in (following(matrix, follow_redirects=True), following(matrix, "pyqwest.httpx._transport")):
        ways: dict[str, Callable[[Any], Any]] = {
            "transport": lambda one: make(settings=settings(), transport=one),
            "token_transport": lambda one: make(settings=settings(), token_transport=one),
            "mounts": lambda one: make(settings=settings(), mounts={"https://login.example": one}),
            "AuthTransport": lambda one: matrix.transport(one, pipeline=pipeline_for(settings())),
            "token transport of it": lambda one: matrix.transport(mock, token_transport=one, pipeline=pipeline_for(settings())),
        }
        for way, made in ways.items():
            with subtests.test(f"{inner} {way}"):
                with pytest.raises(ConfigurationError, match="follows redirects") as caught:
                    made(inner)

                assert caught.value.client == "shop"


async def test_a_transport_that_follows_no_redirects_is_used(matrix: MatrixClient) -> None:
    make = matrix.module.client if matrix.is_sync else matrix.module.async_client
    client = Caller(make(settings=settings(), transport=following(matrix, "pyqwest.httpx", follow_redirects=False)))

    await client.close()


@pytest.mark.pitfall(id="redirecting-transport")
async def test_a_token_that_came_from_another_url_is_not_used(matrix: MatrixClient) -> None:
    """Some transports tell which request was answered last."""

    def token(request: Any) -> Any:
        response = matrix.library.Response(200, json={"access_token": "stolen", "token_type": "Bearer"})
        response.request = matrix.library.Request("POST", "https://thief.example/token?code=canary")
        return response

    server = Server(matrix, token=token)
    client = matrix.client(server)
    with pytest.raises(matrix.library.TransportError, match=r"https://thief\.example/token") as caught:
        await client.get()

    assert isinstance(caught.value, TokenEndpointUnavailableError)
    assert "canary" not in str(caught.value)
    assert len(server.token_requests) == 1
    assert server.calls == []


@pytest.mark.pitfall(id="callers-extensions")
async def test_the_callers_options_are_read_and_never_written(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server)
    extensions = {"prio": {"scope": "orders"}}
    for _ in range(2):
        await client.get(extensions=extensions)

    assert extensions == {"prio": {"scope": "orders"}}
    assert [b"scope=orders" in content for _, content, _ in server.token_requests] == [True]


@pytest.mark.pitfall(id="missing-token")
async def test_nothing_is_sent_when_no_token_can_be_had(matrix: MatrixClient) -> None:
    server = Server(
        matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client", "error_description": SECRET})
    )
    with pytest.raises(matrix.library.HTTPError) as caught:
        await matrix.client(server).get()

    assert server.calls == []
    assert SECRET not in str(caught.value)


def _pipeline() -> Any:
    from prio_middleware.build import build_pipeline

    return build_pipeline(settings())
