"""The status page, mounted in each framework's own way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import anyio
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
from prio_middleware.errors import ConfigurationError
from prio_middleware.flask import Prio, status_page
from prio_middleware.settings import Settings
from prio_middleware.web.status.page import SECURITY, route
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware
from prio_middleware.wsgi import WSGIStatusPage
from tests.web.helpers import BERLIN, NOWHERE, nowhere

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SETTINGS = nowhere(clients=BERLIN)
ELSEWHERE = "192.0.2.1"
"""Address of a browser on another machine."""

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
    app.config["PRIO"] = {**NOWHERE, "clients": BERLIN}
    Prio(app)
    app.register_blueprint(status_page(), url_prefix="/status")
    return app


@pytest.fixture(params=[starlette_app, fastapi_app, bare_asgi_app, wsgi_app, flask_app], ids=lambda make: make.__name__)
def browser(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    app = request.param()
    if request.param in {wsgi_app, flask_app}:
        with httpx.Client(transport=httpx.WSGITransport(app, remote_addr=ELSEWHERE), base_url="http://testserver") as client:
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
    assert names == ["default", "berlin"]
    selected = browser.get("/status/status.json?limit=1&offset=1").json()
    assert ([client["name"] for client in selected["clients"]], selected["matching"]) == (["berlin"], 2)


def test_without_the_slash_it_leads_to_the_page(browser: httpx.Client) -> None:
    answer = browser.get("/status", headers={"Host": "testserver"})
    assert answer.status_code in {307, 308}
    assert answer.url.join(answer.headers["location"]) == "http://testserver/status/"


def test_the_page_is_read_only(browser: httpx.Client, subtests: pytest.Subtests) -> None:
    for method, file in itertools.product(INTRUDERS, ("", "status.json")):
        with subtests.test(method, file=file):
            answer = browser.request(method, f"/status/{file}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = browser.head("/status/")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 1000


def test_there_is_nothing_else(browser: httpx.Client, subtests: pytest.Subtests) -> None:
    for path in ("/status/nothing", "/status/status.json/more", "/status//"):
        with subtests.test(path):
            assert browser.get(path).status_code in {308, 404}


@pytest.mark.parametrize("make", [StatusPage, WSGIStatusPage])
def test_the_page_can_be_mounted_at_the_root(make: Callable[[Settings], Any]) -> None:
    transport = httpx.WSGITransport(make(SETTINGS), remote_addr=ELSEWHERE) if make is WSGIStatusPage else None
    client: Any = httpx.Client(transport=transport, base_url="http://testserver") if transport else TestClient(make(SETTINGS))
    assert client.get("/").status_code == 200
    assert client.get("/status.json").status_code == 200


def test_without_clients_it_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"app\.add_middleware\(PrioMiddleware\)"):
        TestClient(StatusPage()).get("/status.json")
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with pytest.raises(ConfigurationError, match="PrioMiddleware"):
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
    app.config["PRIO"] = {**NOWHERE, "clients": BERLIN}
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


SCOPES = [
    ({"path": "/status/a", "root_path": "/status"}, ("/a", "/status")),
    ({"path": "/status/a", "root_path": "/status/"}, ("/a", "/status")),
    ({"path": "/status", "root_path": "/status"}, ("", "/status")),
    ({"path": "/a", "root_path": "/status"}, ("/a", "/status")),
    ({"path": "/statuses/a", "root_path": "/status"}, ("/statuses/a", "/status")),
    ({"path": "/a", "root_path": ""}, ("/a", "")),
    ({"path": "/a"}, ("/a", "")),
]


def test_the_place_is_told_from_the_path(subtests: pytest.Subtests) -> None:
    for scope, expected in SCOPES:
        with subtests.test(str(scope)):
            assert route(scope) == expected


def asgi_status(app: Any, host: str | None, server: list[Any] | None) -> int:
    """Return the status of the answer that a server at that address gets."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": "http", "method": "GET", "path": "/status.json", "headers": headers, "server": server}
    anyio.run(app, scope, None, send)
    return int(sent[0]["status"])


def wsgi_status(app: Any, host: str | None, client: str | None) -> int:
    statuses: list[str] = []
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"REMOTE_ADDR": client or "", "PATH_INFO": "/status.json", "HTTP_HOST": host}
    if host is None:
        del environ["HTTP_HOST"]
    app(environ, lambda status, _: statuses.append(status))
    return int(statuses[0].split()[0])


REBOUND = ["evil.example:8000", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "e vil", "a@127.0.0.1"]
OWN_NAMES = [None, "", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "shop.localhost", "shop.example:8000"]
LOOPBACK = ["127.0.0.1", "::1", "::ffff:127.0.0.1"]


@pytest.mark.pitfall(id="rebound-host")
def test_on_a_loopback_address_a_foreign_host_gets_nothing(subtests: pytest.Subtests) -> None:
    """A page of evil.example lets its name point to this machine. For the browser, the status page is then of its origin."""
    for host, address in itertools.product([*REBOUND, *OWN_NAMES], LOOPBACK):
        with subtests.test(f"{host} at {address}"):
            expected = 421 if host in REBOUND else 200
            assert asgi_status(StatusPage(SETTINGS, hosts=["Shop.Example"]), host, [address, 8000]) == expected
            assert wsgi_status(WSGIStatusPage(SETTINGS, hosts=["Shop.Example"]), host, address) == expected


def test_elsewhere_the_host_is_the_business_of_the_server(subtests: pytest.Subtests) -> None:
    for address in (ELSEWHERE, None, "/run/app.sock"):
        with subtests.test(address):
            server = None if address is None else [address, None]
            assert asgi_status(StatusPage(SETTINGS), "evil.example", server) == 200
            assert wsgi_status(WSGIStatusPage(SETTINGS), "evil.example", address) == 200


def test_flask_checks_the_host() -> None:
    app = Flask(__name__)
    app.config["PRIO"] = {**NOWHERE, "clients": BERLIN}
    Prio(app)
    app.register_blueprint(status_page(hosts=["shop.example"]), url_prefix="/status")
    browser = app.test_client()

    hosts = ("localhost", "shop.example", "evil.example")
    assert [browser.get("/status/", headers={"Host": host}).status_code for host in hosts] == [200, 200, 421]
