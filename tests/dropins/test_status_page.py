"""The status page, mounted in each framework's own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask, abort, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from prio_middleware.asgi import PrioMiddleware, StatusPage
from prio_middleware.dropins.asgi_answer import route
from prio_middleware.errors import ConfigurationError
from prio_middleware.flask import Prio, status_page
from prio_middleware.settings import Settings
from prio_middleware.status.answers import SECURITY
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware
from prio_middleware.wsgi import StatusPage as WSGIStatusPage
from tests.dropins.kit import nowhere

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SETTINGS = nowhere(clients={"berlin": {"client_id": "b", "client_secret": "s3cret"}})
VALUES = {"base_url": "https://127.0.0.1:1/", "client_id": "shop@example.com", "client_secret": "s3cret!@#"}
INTRUDERS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def nothing_here(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b""]


def starlette_app() -> ASGIApp:
    return Starlette(routes=[Mount("/status", StatusPage())], middleware=[Middleware(PrioMiddleware, settings=SETTINGS)])


def fastapi_app() -> ASGIApp:
    app = FastAPI()
    app.add_middleware(PrioMiddleware, settings=SETTINGS)
    app.mount("/status", StatusPage())
    return app


def bare_asgi_app() -> ASGIApp:
    """Another router's way: the place is taken from the path."""
    page = PrioMiddleware(StatusPage(), SETTINGS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        await page({**scope, "root_path": "/status", "path": path.removeprefix("/status")}, receive, send)

    return app


def wsgi_app() -> Any:
    return WSGIMiddleware(DispatcherMiddleware(nothing_here, {"/status": validator(WSGIStatusPage())}), SETTINGS)


def flask_app() -> Any:
    app = Flask(__name__)
    app.config["PRIO"] = VALUES
    Prio(app)
    app.register_blueprint(status_page(), url_prefix="/status")
    return app


@pytest.fixture(params=[starlette_app, fastapi_app, bare_asgi_app, wsgi_app, flask_app], ids=lambda make: make.__name__)
def browser(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    app = request.param()
    if request.param in {wsgi_app, flask_app}:
        with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://testserver") as client:
            yield client
    else:
        with TestClient(app, follow_redirects=False) as client:
            yield client  # type: ignore[misc]  # it is one of httpx's, wherever Starlette finds httpx


def test_the_page_is_there_with_all_that_it_loads(browser: httpx.Client) -> None:
    page = browser.get("/status/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for file in ("status.css", "status.js", "icon.svg", "status.json"):
        answer = browser.get(f"/status/{file}")
        assert answer.status_code == 200
        assert answer.headers.items() >= {name.lower(): value for name, value in SECURITY.items()}.items()


def test_the_clients_of_the_application_are_shown(browser: httpx.Client) -> None:
    names = [client["name"] for client in browser.get("/status/status.json").json()["clients"]]
    assert names in (["default", "berlin"], ["default"])


def test_without_the_slash_it_leads_to_the_page(browser: httpx.Client) -> None:
    answer = browser.get("/status", headers={"Host": "testserver"})
    assert answer.status_code in {307, 308}
    assert answer.url.join(answer.headers["location"]) == "http://testserver/status/"


@pytest.mark.parametrize("method", INTRUDERS)
def test_it_is_only_to_be_looked_at(browser: httpx.Client, method: str) -> None:
    answers = [browser.request(method, f"/status/{file}") for file in ("", "status.json")]
    assert [(answer.status_code, answer.headers["allow"]) for answer in answers] == [(405, "GET, HEAD")] * 2


def test_a_head_is_answered_without_a_body(browser: httpx.Client) -> None:
    answer = browser.head("/status/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 1000


@pytest.mark.parametrize("path", ["/status/nothing", "/status/status.json/more", "/status//"])
def test_there_is_nothing_else(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code in {308, 404}


@pytest.mark.parametrize("make", [StatusPage, WSGIStatusPage])
def test_it_is_mounted_at_the_root_too(make: Callable[[Settings], Any]) -> None:
    transport = httpx.WSGITransport(make(SETTINGS)) if make is WSGIStatusPage else None
    client: Any = httpx.Client(transport=transport, base_url="http://testserver") if transport else TestClient(make(SETTINGS))
    assert client.get("/").status_code == 200
    assert client.get("/status.json").status_code == 200


def test_without_clients_it_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"app\.add_middleware\(PrioMiddleware\)"):
        TestClient(StatusPage()).get("/status.json")
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with pytest.raises(ConfigurationError, match="no PrioMiddleware stands around this application"):
        WSGIStatusPage()(environ, nothing_here)  # type: ignore[arg-type]  # never called


def test_a_websocket_is_refused() -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(starlette_app()).websocket_connect("/status/"):
        pass


@pytest.mark.anyio
async def test_a_lifespan_is_none_of_its_business() -> None:
    async def unexpected(*_: object) -> Any:
        raise AssertionError

    await StatusPage(SETTINGS)({"type": "lifespan"}, unexpected, unexpected)


def test_a_login_before_it_keeps_everything_back() -> None:
    app = Flask(__name__)
    app.config["PRIO"] = VALUES
    Prio(app)
    page = status_page()

    @page.before_request
    def require_operator() -> None:
        if request.headers.get("X-Operator") != "yes":
            abort(403)

    app.register_blueprint(page, url_prefix="/status")
    browser = app.test_client()
    for file in ("", "status.json", "status.js", "nothing"):
        assert browser.get(f"/status/{file}").status_code == 403
    assert browser.get("/status/", headers={"X-Operator": "yes"}).status_code == 200


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"path": "/status/a", "root_path": "/status"}, ("/a", "/status")),
        ({"path": "/status/a", "root_path": "/status/"}, ("/a", "/status")),
        ({"path": "/status", "root_path": "/status"}, ("", "/status")),
        ({"path": "/a", "root_path": "/status"}, ("/a", "/status")),
        ({"path": "/statuses/a", "root_path": "/status"}, ("/statuses/a", "/status")),
        ({"path": "/a", "root_path": ""}, ("/a", "")),
        ({"path": "/a"}, ("/a", "")),
    ],
)
def test_the_place_is_told_from_the_path(scope: dict[str, str], expected: tuple[str, str]) -> None:
    assert route(scope) == expected
