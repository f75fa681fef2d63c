"""Accounts in the web frameworks: named in a call, or by a function of the inbound request."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import anyio.to_thread
import httpx
import pytest
from asgiref.sync import sync_to_async
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path as route
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask, stream_with_context
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import tests.web.test_django  # noqa: F401 # pyright: ignore[reportUnusedImport]  # configures Django
from prio_middleware import ConfigurationError, token_extensions
from prio_middleware.asgi import PrioMiddleware
from prio_middleware.fastapi import PrioClient, PrioSyncClient
from prio_middleware.flask import Prio
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.wsgi import CLIENT, CLIENTS
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware
from tests.web.helpers import PRODUCTS, accounts_asked_for, values_for

OWN: dict[str, Any] = {}
OPTIONS: dict[str, dict[str, Any]] = {
    "/own": OWN,
    "/thread": OWN,
    "/named": {"extensions": token_extensions(account="berlin")},
    "/scoped": {"extensions": token_extensions(scope="of-the-call")},
    "/without": {"extensions": token_extensions(token=False)},
}
"""Options of the call that each path makes."""

Get = Callable[[str], tuple[int, str]]
"""Sends a request for a path, and returns status and body."""


def name_of(query: str) -> str | None:
    """Return the account of a request: its query names it."""
    if query == "raise":
        raise LookupError(query)
    names: dict[str, Any] = {"none": None, "number": 5}
    name: str | None = names.get(query, query)
    return name


def answer(prio: httpx.Client, options: dict[str, Any]) -> str:
    return str(prio.get(PRODUCTS, **options).status_code)


def berlin_of(sandbox: Sandbox) -> str:
    return sandbox.options.accounts[1].client_id


def asgi(values: dict[str, Any], account: Any = None) -> Get:
    async def view(request: Request) -> Response:
        if request.url.path == "/lazy":
            return StreamingResponse(stream(request.state.prio))
        if request.url.path == "/thread":
            return PlainTextResponse(await anyio.to_thread.run_sync(answer, request.state.prio_sync, OWN))
        response = await request.state.prio.get(PRODUCTS, **OPTIONS[request.url.path])
        return PlainTextResponse(str(response.status_code))

    async def stream(prio: httpx.AsyncClient) -> AsyncIterator[str]:
        yield str((await prio.get(PRODUCTS)).status_code)

    def of_scope(scope: Any) -> str | None:
        return name_of(scope["query_string"].decode())

    settings = Settings.from_values(**values)
    middleware = [Middleware(PrioMiddleware, settings=settings, account=account and of_scope)]
    return browse(Starlette(routes=[Route("/{path}", view)], middleware=middleware))


def fastapi(values: dict[str, Any], account: Any = None) -> Get:
    app = FastAPI()

    def of_scope(scope: Any) -> str | None:
        return name_of(scope["query_string"].decode())

    app.add_middleware(PrioMiddleware, settings=Settings.from_values(**values), account=account and of_scope)

    @app.get("/lazy")
    async def lazy(prio: PrioClient) -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            yield str((await prio.get(PRODUCTS)).status_code)

        return StreamingResponse(stream())

    @app.get("/{path}")
    def view(prio: PrioSyncClient, path: str) -> PlainTextResponse:
        return PlainTextResponse(answer(prio, OPTIONS[f"/{path}"]))

    return browse(app)


def wsgi(values: dict[str, Any], account: Any = None) -> Get:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        prio, path = environ[CLIENT], environ["PATH_INFO"]
        start_response("200 OK", [])
        return stream(prio) if path == "/lazy" else [answer(prio, OPTIONS[path]).encode()]

    def stream(prio: httpx.Client) -> Iterator[bytes]:
        yield answer(prio, OWN).encode()

    def of_environ(environ: Any) -> str | None:
        return name_of(environ["QUERY_STRING"])

    return browse_wsgi(WSGIMiddleware(app, Settings.from_values(**values), account=account and of_environ))


def flask(values: dict[str, Any], account: Any = None) -> Get:
    app = Flask(__name__)
    app.config["PRIO"] = values
    prio = Prio(app, account=account and (lambda request: name_of(request.query_string.decode())))

    @app.get("/lazy")
    def lazy() -> Iterator[str]:
        return stream_with_context(answer(prio.client, OWN) for _ in range(1))

    @app.get("/<path>")
    def view(path: str) -> str:
        return answer(prio.client, OPTIONS[f"/{path}"])

    return browse_wsgi(app)


def django(values: dict[str, Any], account: Any = None) -> Get:
    def get(path: str) -> tuple[int, str]:
        with django_site(values, account):
            response: Any = Client(raise_request_exception=False).get(path)
            return response.status_code, response.getvalue().decode()

    return get


def async_django(values: dict[str, Any], account: Any = None) -> Get:
    def get(path: str) -> tuple[int, str]:
        async def get_async() -> tuple[int, str]:
            response: Any = await AsyncClient(raise_request_exception=False).get(f"/async{path}")
            body = b"".join([part async for part in response]) if response.streaming else response.content
            return response.status_code, body.decode()

        with django_site(values, account):
            return asyncio.run(get_async())

    return get


def django_site(values: dict[str, Any], account: Any) -> Any:
    changes = {"PRIO_ACCOUNT": f"{__name__}.of_django_request"} if account else {}
    return override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=["prio_middleware.django.PrioMiddleware"], PRIO=values, **changes
    )


def of_django_request(request: Any) -> str | None:
    return name_of(request.META["QUERY_STRING"])


def django_view(request: Any, path: str) -> Any:
    if path == "file":
        return FileResponse(io.BytesIO(b"file"))
    if path == "lazy":
        return StreamingHttpResponse(answer(request.prio, OWN) for _ in range(1))
    return HttpResponse(answer(request.prio, OPTIONS[f"/{path}"]))


async def async_django_view(request: Any, path: str) -> Any:
    async def stream() -> AsyncIterator[str]:
        yield str((await request.prio.get(PRODUCTS)).status_code)

    if path == "lazy":
        return StreamingHttpResponse(stream())
    if path == "thread":
        return HttpResponse(await sync_to_async(lambda: answer(request.prio, OWN))())
    return HttpResponse(str((await request.prio.get(PRODUCTS, **OPTIONS[f"/{path}"])).status_code))


urlpatterns = [route("async/<path>", async_django_view), route("<path>", django_view)]


def browse(app: Any) -> Get:
    def get(path: str) -> tuple[int, str]:
        with TestClient(app) as browser:
            response = browser.get(path)
            return response.status_code, response.text

    return get


def browse_wsgi(app: Any) -> Get:
    def get(path: str) -> tuple[int, str]:
        with httpx.Client(transport=httpx.WSGITransport(app), base_url="https://shop.example") as browser:
            response = browser.get(path)
            return response.status_code, response.text

    return get


FRAMEWORKS = [asgi, fastapi, wsgi, flask, django, async_django]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_call_may_name_another_client_of_the_settings(sandbox: Sandbox, framework: Any) -> None:
    assert framework(values_for(sandbox))("/named") == (200, "200")
    assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}


@pytest.mark.parametrize("path", ["/own", "/lazy", "/thread"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_calls_have_the_account_of_the_inbound_request(sandbox: Sandbox, framework: Any, path: str) -> None:
    get = framework(values_for(sandbox), account=True)

    assert get(f"{path}?berlin") == (200, "200")
    assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}
    assert get(f"{path}?none") == (200, "200")
    assert len(accounts_asked_for(sandbox)) == 2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_account_that_a_call_names_wins_and_other_options_count(sandbox: Sandbox, framework: Any) -> None:
    get = framework(values_for(sandbox), account=True)

    assert get("/named?atlantis") == (200, "200")
    assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}
    sandbox.admin.reset()
    get("/scoped?berlin")
    assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}
    assert get("/without?raise")[1] != "200"
    assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_account_that_does_not_exist_is_answered_with_404(sandbox: Sandbox, framework: Any) -> None:
    get = framework(values_for(sandbox), account=True)

    for name in ("atlantis", "x" * 2_000, "fixed"):
        assert get(f"/own?{name}")[0] == 404
    assert accounts_asked_for(sandbox) == {}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("name", "error"), [("raise", LookupError), ("number", ConfigurationError)])
def test_the_error_of_the_function_is_its_own(sandbox: Sandbox, framework: Any, name: str, error: type[Exception]) -> None:
    get = framework(values_for(sandbox), account=True)

    with suppress(error):  # Some frameworks leave it to the server.
        assert get(f"/own?{name}")[0] == 500
    assert accounts_asked_for(sandbox) == {}


class TestOutsideARequest:
    def test_a_call_must_name_its_account(self, sandbox: Sandbox) -> None:
        app = WSGIMiddleware(lambda *_: [], Settings.from_values(**values_for(sandbox)), account=lambda _: "berlin")

        with pytest.raises(ConfigurationError, match="names no account"):
            app.clients["default"].get(PRODUCTS)
        assert answer(app.clients["default"], OPTIONS["/named"]) == "200"
        assert accounts_asked_for(sandbox) == {berlin_of(sandbox): 1}

    def test_the_same_in_an_application_context_of_flask(self, sandbox: Sandbox) -> None:
        app = Flask(__name__)
        app.config["PRIO"] = values_for(sandbox)
        prio = Prio(app, account=lambda _: "berlin")

        with app.app_context(), pytest.raises(ConfigurationError, match="names no account"):
            prio.client.get(PRODUCTS)

    @pytest.mark.pitfall(id="account-of-another-request")
    def test_a_thread_needs_the_context_of_the_request(self, sandbox: Sandbox) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            with ThreadPoolExecutor() as pool:
                with pytest.raises(ConfigurationError, match="copy_context"):
                    pool.submit(answer, environ[CLIENT], OWN).result()
                status = pool.submit(copy_context().run, answer, environ[CLIENT], OWN).result()
            start_response("200 OK", [])
            return [status.encode()]

        settings = Settings.from_values(**values_for(sandbox))
        assert browse_wsgi(WSGIMiddleware(app, settings, account=lambda _: "berlin"))("/") == (200, "200")


def test_clients_without_accounts_have_their_own_credentials(sandbox: Sandbox) -> None:
    given = values_for(sandbox)
    none = {"provider": "none", "headers": {"X-Api-Key": "k3y"}}
    settings = Settings.from_values(**{**given, "clients": {**given["clients"], "plain": none}})

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ[CLIENTS]["plain"].get("/system/ping").content]

    assert browse_wsgi(WSGIMiddleware(app, settings, account=lambda _: "berlin"))("/")[0] == 200
    assert accounts_asked_for(sandbox) == {}


def test_a_websocket_of_an_unknown_account_is_closed(sandbox: Sandbox) -> None:
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.state.prio.get(PRODUCTS)

    settings = Settings.from_values(**values_for(sandbox))
    middleware = [Middleware(PrioMiddleware, settings=settings, account=lambda scope: "atlantis")]
    app = Starlette(routes=[WebSocketRoute("/", live)], middleware=middleware)
    with TestClient(app) as browser, browser.websocket_connect("/") as websocket, pytest.raises(WebSocketDisconnect) as closed:
        websocket.receive_text()
    assert closed.value.code == 1008


@pytest.mark.parametrize("named", ["nowhere.to.be.found", f"{__name__}.OWN", 5])
def test_a_setting_of_django_that_names_no_function_is_an_error_at_the_start(sandbox: Sandbox, named: Any) -> None:
    middleware = ["prio_middleware.django.PrioMiddleware"]
    with (
        override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, PRIO=values_for(sandbox), PRIO_ACCOUNT=named),
        pytest.raises(ConfigurationError, match="PRIO_ACCOUNT"),
    ):
        Client().get("/own")


def test_django_sends_a_file_as_before(sandbox: Sandbox) -> None:
    with django_site(values_for(sandbox), account=True):
        response: Any = Client().get("/file?berlin")
        assert response.getvalue() == b"file"
