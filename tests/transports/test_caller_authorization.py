"""The caller's own ``Authorization`` header, for example a placeholder of an SDK, and calls without a token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import (
    CallerAuthorizationError,
    Exchange,
    HeaderInjector,
    HTTPSEnforcer,
    OriginGuard,
    Pipeline,
    PolicyError,
    StaticTokenProvider,
    build,
)
from tests.transports.matrix import API, Caller, MatrixClient, Server, settings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("client_kind", ["httpx-sync", "httpx2-trio"]),  # The pipeline is the same on each event loop.
]

PLACEHOLDER = {"Authorization": "Bearer unused"}
Change = Callable[[Any], None]


def remove(headers: Any) -> None:
    headers.pop("authorization", None)


def replace(headers: Any) -> None:
    headers["authorization"] = "Basic a-component's"


class Changing:
    """Third-party component that changes the caller's header."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def on_request(self, exchange: Exchange) -> None:
        self._change(exchange.headers)


class OwnInjector:
    """Third-party component in the place of the header injector."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.token is not None:
            exchange.headers["authorization"] = f"Custom {exchange.token.value.reveal()}"


async def warm_and_cold(client: Caller, *, warm: bool, **options: Any) -> Any:
    """Call with a placeholder, after a call without one if a token is to be cached."""
    if warm:
        await client.get("/first")
    return await client.get(headers=PLACEHOLDER, **options)


WARM = pytest.mark.parametrize("warm", [True, False], ids=["token at hand", "no token yet"])
"""With and without a cached token: the paths through the pipeline differ."""


def declared(*components: Changing, before: str, **changes: Any) -> Any:
    """Return settings whose pipeline has ``components`` before a built-in one."""
    names = ["https_enforcer", "origin_guard", "revocation_handler", "token_provider", "header_injector"]
    names.insert(names.index(before), f"{__name__}:component")
    made[:] = components
    return settings(pipeline=names, **changes)


made: list[Changing] = []


def component() -> Changing:
    return made[0]


@WARM
@pytest.mark.pitfall(id="placeholder-key")
async def test_a_placeholder_is_replaced_where_that_is_asked_for(matrix: MatrixClient, server: Server, warm: bool) -> None:
    client = matrix.client(server, settings=settings(caller_authorization="replace"))
    assert (await warm_and_cold(client, warm=warm)).json() == {"authorization": "Bearer token-1"}

    server.revoke(1)
    assert (await client.get(headers=PLACEHOLDER)).json() == {"authorization": "Bearer token-2"}
    assert "Bearer unused" not in server.authorizations


@WARM
@pytest.mark.pitfall(id="placeholder-key")
async def test_a_placeholder_is_blocked_where_that_is_configured(matrix: MatrixClient, server: Server, warm: bool) -> None:
    client = matrix.client(server, settings=settings(caller_authorization="refuse", name=f"refusing {warm} {matrix.backend}"))
    counted = build.registry.client(f"refusing {warm} {matrix.backend}").blocked
    before = counted["caller_authorization"]
    with pytest.raises(CallerAuthorizationError) as caught:
        await warm_and_cold(client, warm=warm)

    error = caught.value
    assert isinstance(error, matrix.library.TransportError)
    assert isinstance(error, PolicyError)
    assert error.url == f"{API}/v1/products"
    assert error.remedy
    assert "replace" in error.remedy
    assert "unused" not in str(error)
    assert len(server.calls) == len(server.token_requests) == int(warm)
    assert counted["caller_authorization"] == before + 1
    assert (await client.get()).json() == {"authorization": "Bearer token-1"}


@pytest.mark.pitfall(id="placeholder-key")
async def test_what_is_kept_is_logged_once_for_a_client(
    matrix: MatrixClient, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "prio_middleware")
    client = matrix.client(server)
    await client.get(headers=PLACEHOLDER)
    for _ in range(2):
        assert (await warm_and_cold(client, warm=True)).json() == {"authorization": "Bearer unused"}

    lines = [record for record in caplog.records if vars(record).get("prio_event") == "caller_authorization"]
    assert [(record.levelno, vars(record)["prio_client"]) for record in lines] == [(logging.INFO, "shop")]
    assert "unused" not in lines[0].getMessage()


@WARM
@pytest.mark.parametrize("before", ["revocation_handler", "token_provider", "header_injector"])
@pytest.mark.pitfall(id="removed-header")
async def test_a_component_that_takes_the_header_away_is_obeyed(
    matrix: MatrixClient, server: Server, before: str, warm: bool
) -> None:
    client = matrix.client(server, settings=declared(Changing(remove), before=before))

    assert (await warm_and_cold(client, warm=warm)).json() == {"authorization": "Bearer token-1"}
    server.revoke(1)
    assert (await client.get(headers=PLACEHOLDER)).json() == {"authorization": "Bearer token-2"}


@WARM
@pytest.mark.parametrize("before", ["token_provider", "header_injector"])
@pytest.mark.pitfall(id="removed-header")
async def test_a_component_that_replaces_the_header_is_obeyed(
    matrix: MatrixClient, server: Server, before: str, warm: bool
) -> None:
    client = matrix.client(server, settings=declared(Changing(replace), before=before))

    assert (await warm_and_cold(client, warm=warm)).json() == {"authorization": "Basic a-component's"}


@pytest.mark.parametrize("before", ["token_provider", "header_injector"])
async def test_a_header_that_no_caller_set_is_replaced_by_the_token(matrix: MatrixClient, server: Server, before: str) -> None:
    client = matrix.client(server, settings=declared(Changing(replace), before=before))

    assert (await client.get()).json() == {"authorization": "Bearer token-1"}


@WARM
async def test_where_a_component_inside_may_change_it_it_is_blocked_after_that(
    matrix: MatrixClient, server: Server, warm: bool
) -> None:
    client = matrix.client(
        server, settings=declared(Changing(lambda _: None), before="header_injector", caller_authorization="refuse")
    )
    with pytest.raises(CallerAuthorizationError):
        await warm_and_cold(client, warm=warm)

    assert server.authorizations == ["Bearer token-1"] * warm


@pytest.mark.parametrize(("change", "sent"), [(remove, "Custom fixed"), (replace, "Basic a-component's")])
async def test_caller_authorization_is_obeyed_with_another_injector(
    matrix: MatrixClient, server: Server, change: Change, sent: str
) -> None:
    pipeline = Pipeline([HTTPSEnforcer(), OriginGuard([API]), Changing(change), StaticTokenProvider("fixed"), OwnInjector()])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))

    assert (await client.get(headers=PLACEHOLDER)).json() == {"authorization": sent}


async def test_a_pipeline_made_by_hand_takes_it_from_its_injector(matrix: MatrixClient, server: Server) -> None:
    pipeline = Pipeline(
        [HTTPSEnforcer(), OriginGuard([API]), StaticTokenProvider("fixed"), HeaderInjector(caller_authorization="replace")]
    )
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))

    assert (await client.get(headers=PLACEHOLDER)).json() == {"authorization": "Bearer fixed"}


WITHOUT = {"prio": {"token": False}}


@pytest.mark.pitfall(id="call-without-token")
async def test_a_call_and_its_redirects_can_go_without_a_token(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        return request.url.path == "/v1/login" and matrix.library.Response(302, headers={"location": f"{API}/v1/welcome"})

    server = Server(matrix, respond=respond)
    client = matrix.client(server, settings=settings(app={"name": "Shop"}), follow_redirects=True)
    for _ in range(2):
        await client.get("/login", extensions=WITHOUT)

    assert [url for _, url, _, _ in server.calls] == [f"{API}/v1/login", f"{API}/v1/welcome"] * 2
    assert server.authorizations == [None] * 4
    assert {headers["app-name"] for _, _, headers, _ in server.calls} == {"Shop"}
    assert server.token_requests == []

    await client.get()
    await client.get("/login", extensions=WITHOUT)
    assert server.authorizations[4:] == ["Bearer token-1", None, None]


@pytest.mark.pitfall(id="call-without-token")
async def test_a_401_to_a_call_without_a_token_is_the_callers(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda request: request.url.path == "/v1/login" and server.refuse())
    client = matrix.client(server)
    await client.get()
    response = await client.get("/login", extensions=WITHOUT)

    assert response.status_code == 401
    assert len(server.token_requests) == 1
    assert (await client.get()).json() == {"authorization": "Bearer token-1"}


@pytest.mark.parametrize("policy", ["keep", "replace", "refuse"])
async def test_a_call_without_a_token_keeps_its_own_header(matrix: MatrixClient, server: Server, policy: Any) -> None:
    client = matrix.client(server, settings=settings(caller_authorization=policy))
    await client.get()

    response = await client.get(headers=PLACEHOLDER, extensions=WITHOUT)
    assert response.json() == {"authorization": "Bearer unused"}
