from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from prio_middleware.asgi import PrioMiddleware
from prio_middleware.errors import ConfigurationError, TokenError
from prio_middleware.fastapi import PrioClient, PrioSyncClient, prio_client, prio_sync_client, ready
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from tests.web.helpers import BERLIN, PRODUCTS, nowhere, settings_for

Berlin = Annotated[httpx.AsyncClient, prio_client("berlin")]
BerlinSync = Annotated[httpx.Client, prio_sync_client("berlin")]


def shop() -> FastAPI:
    """Every kind of dependency in use."""
    app = FastAPI()

    @app.get("/async")
    async def with_async(prio: PrioClient, berlin: Berlin) -> list[str]:
        return [seller(await prio.get(PRODUCTS)), seller(await berlin.get(PRODUCTS))]

    @app.get("/sync")
    def with_sync(prio: PrioSyncClient, berlin: BerlinSync) -> list[str]:
        return [seller(prio.get(PRODUCTS)), seller(berlin.get(PRODUCTS))]

    @app.websocket("/live")
    async def live(websocket: WebSocket, prio: PrioClient) -> None:
        await websocket.accept()
        await websocket.send_text(seller(await prio.get(PRODUCTS)))

    app.add_route("/ready", ready)
    return app


def seller(answer: Any) -> str:
    """Return the account of the token in the request."""
    return str(answer.request.url.host) if answer.status_code == 200 else answer.text


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = shop()
    app.add_middleware(PrioMiddleware, settings=settings)
    with TestClient(app) as browser:
        yield browser


@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_a_path_operation_is_given_the_clients_it_asks_for(sandbox: Sandbox, browser: TestClient, path: str) -> None:
    assert browser.get(path).json() == ["127.0.0.1", "127.0.0.1"]
    assert set(sandbox.admin.counts().token_requests_by_client.values()) == {1}
    assert len(sandbox.admin.counts().token_requests_by_client) == 2


def test_a_websocket_is_given_the_clients_it_asks_for(browser: TestClient) -> None:
    with browser.websocket_connect("/live") as websocket:
        assert websocket.receive_text() == "127.0.0.1"


def test_clients_work_without_a_lifespan(settings: Settings) -> None:
    app = shop()
    app.add_middleware(PrioMiddleware, settings=settings)
    browser = TestClient(app)
    assert browser.get("/async").status_code == browser.get("/async").status_code == browser.get("/sync").status_code == 200


@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_a_token_failure_is_503(path: str) -> None:
    app = shop()
    app.add_middleware(PrioMiddleware, settings=nowhere(clients=BERLIN))
    answer = TestClient(app).get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_a_token_failure_on_a_websocket_is_1013() -> None:
    app = shop()
    app.add_middleware(PrioMiddleware, settings=nowhere())
    with TestClient(app).websocket_connect("/live") as websocket, pytest.raises(WebSocketDisconnect) as caught:
        websocket.receive_text()
    assert caught.value.code == 1013


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_clients_are_of_the_library_that_the_settings_choose(sandbox: Sandbox, library: str) -> None:
    app, seen = FastAPI(), []

    @app.get("/")
    async def look(prio: Annotated[httpx2.AsyncClient, prio_client()]) -> int:
        seen.append(type(prio))
        return (await prio.get(PRODUCTS)).status_code

    app.add_middleware(PrioMiddleware, settings=settings_for(sandbox, library=library))
    assert TestClient(app).get("/").json() == 200
    assert seen == [{"httpx": httpx, "httpx2": httpx2}[library].AsyncClient]


def test_tests_put_something_else_in_their_place() -> None:
    def sold_out(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, request=request)

    app, transport = shop(), httpx.MockTransport(sold_out)
    for name in ("default", "berlin"):
        app.dependency_overrides[prio_client(name).dependency] = lambda: httpx.AsyncClient(
            transport=transport, base_url="https://fake"
        )
    assert TestClient(app).get("/async").json() == ["fake", "fake"]


def test_without_the_middleware_the_error_says_what_to_add(subtests: pytest.Subtests) -> None:
    browser = TestClient(shop())
    for path in ("/async", "/sync", "/ready"):
        with subtests.test(path), pytest.raises(ConfigurationError) as caught:
            browser.get(path)
        assert "app.add_middleware(PrioMiddleware)" in (caught.value.remedy or "")


def test_a_name_that_is_not_configured_is_an_error(settings: Settings) -> None:
    app = FastAPI()

    @app.get("/")
    async def handler(paris: Annotated[httpx.AsyncClient, prio_client("berlim")]) -> None:
        raise AssertionError

    app.add_middleware(PrioMiddleware, settings=settings)
    with pytest.raises(ConfigurationError, match="did you mean 'berlin'"):
        TestClient(app).get("/")


def test_the_applications_own_handler_for_token_failures_comes_first() -> None:
    app = shop()
    app.add_middleware(PrioMiddleware, settings=nowhere(clients=BERLIN))

    @app.exception_handler(TokenError)
    async def teapot(request: object, error: TokenError) -> Any:
        from starlette.responses import Response

        return Response(status_code=418)

    assert TestClient(app).get("/async").status_code == 418


def test_the_clients_are_no_part_of_the_schema(browser: TestClient) -> None:
    schema = browser.get("/openapi.json").json()
    assert sorted(schema["paths"]) == ["/async", "/sync"]
    assert all("parameters" not in path["get"] and "requestBody" not in path["get"] for path in schema["paths"].values())


def test_readiness_is_mounted_like_any_route(browser: TestClient) -> None:
    answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
