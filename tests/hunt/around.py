"""Features around the clients: drop-ins, commands, the sandbox, a shared store."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import django
import flask
import httpx
import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path, re_path
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from prio_middleware import build
from prio_middleware import django as prio_django
from prio_middleware import fastapi as prio_fastapi
from prio_middleware import flask as prio_flask
from prio_middleware.asgi import PrioMiddleware, ReadyApp, StatusPage
from prio_middleware.fastapi import PrioClient
from prio_middleware.sandbox import Account, Sandbox, SandboxOptions
from prio_middleware.settings import Settings
from prio_middleware.wsgi import CLIENT
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware
from prio_middleware.wsgi import ReadyApp as WSGIReadyApp
from prio_middleware.wsgi import StatusPage as WSGIStatusPage
from tests.cli.kit import COMMAND, prio
from tests.hunt.calls import handed_on, ok
from tests.hunt.canaries import NEW_SECRET, PASSWORD, SECRET
from tests.hunt.ground import Ground
from tests.hunt.server import echo
from tests.redis_servers import BINARIES, serve

PAGES = ("/shop", "/ready", "/status/", "/status/status.json")

Visit = Callable[[str], Any]


async def starlette_app(ground: Ground) -> None:
    async def shop(request: Request) -> Response:
        return Response(status_code=(await request.state.prio.get("/products")).status_code)

    routes = [Route("/shop", shop), Route("/ready", ReadyApp()), Mount("/status", StatusPage())]
    app = Starlette(routes=routes, middleware=[Middleware(PrioMiddleware, settings=_settings(ground))])
    await anyio.to_thread.run_sync(_through_asgi, ground, app)


async def fastapi_app(ground: Ground) -> None:
    app = FastAPI()
    app.add_middleware(PrioMiddleware, settings=_settings(ground))
    app.add_route("/ready", prio_fastapi.ready)
    app.mount("/status", StatusPage())

    @app.get("/shop")
    async def shop(prio: PrioClient) -> int:
        return (await prio.get("/products")).status_code

    await anyio.to_thread.run_sync(_through_asgi, ground, app)


def _through_asgi(ground: Ground, app: Any) -> None:
    with TestClient(app) as browser:
        _visit(ground, browser.get)


async def wsgi_app(ground: Ground) -> None:
    ready, status = WSGIReadyApp(), WSGIStatusPage()

    def app(environ: Any, start_response: Any) -> Any:
        place: str = environ["PATH_INFO"]
        if place == "/shop":
            answer = environ[CLIENT].get("/products")
            start_response(f"{answer.status_code} ", [("Content-Type", "text/plain")])
            return [b""]
        if place == "/ready":
            return ready(environ, start_response)
        return status({**environ, "SCRIPT_NAME": "/status", "PATH_INFO": place.removeprefix("/status")}, start_response)

    _through_wsgi(ground, WSGIMiddleware(app, _settings(ground)))


async def flask_app(ground: Ground) -> None:
    app = flask.Flask(__name__)
    app.config["PRIO"] = ground.values(name=None)
    prio_flask.Prio(app)
    app.add_url_rule("/shop", "shop", lambda: [prio_flask.current_client.get("/products").status_code])
    app.add_url_rule("/ready", view_func=prio_flask.ready)
    app.register_blueprint(prio_flask.status_page(), url_prefix="/status")
    _through_wsgi(ground, app)


def _through_wsgi(ground: Ground, app: Any) -> None:
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://testserver") as browser:
        _visit(ground, browser.get)


async def django_app(ground: Ground) -> None:
    await anyio.to_thread.run_sync(_through_django, ground)


def _shop(request: Any) -> HttpResponse:
    return HttpResponse(status=request.prio.get("/products").status_code)


urlpatterns = [
    path("shop", _shop),
    path("ready", prio_django.ready),
    re_path(r"^status(?P<path>/.*)?$", prio_django.status_page),
]


def _through_django(ground: Ground) -> None:
    if not django_settings.configured:
        django_settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of the tests")
        django.setup()
    middleware = ["prio_middleware.django.PrioMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, PRIO=ground.values(name=None), DEBUG=True):
        _visit(ground, DjangoClient(raise_request_exception=False).get)


def _settings(ground: Ground) -> Settings:
    return Settings.from_values(**ground.values(name=None))


def _visit(ground: Ground, get: Visit) -> None:
    """All is well; then the token is refused and cannot be replaced; then there is none."""
    assert [(page, _note(ground, get, page)) for page in PAGES] == [(page, 200) for page in PAGES]
    ground.server.revoke()
    ground.server.token = echo(401)
    refused, failed = (_note(ground, get, "/shop") for _ in range(2))
    assert (refused in {200, 401}, failed) == (True, 503)
    for page in PAGES:
        _note(ground, get, page)
    ground.look()


def _note(ground: Ground, get: Visit, page: str) -> int:
    answer = get(page)
    ground.note("pages", page, f"{dict(answer.headers)} {answer.content.decode()}")
    return int(answer.status_code)


COMMANDS = [
    "check",
    "check --json",
    "config show --all",
    "config show --json",
    "request GET /products",
    "request GET /products --json",
    "request GET http://127.0.0.1/products",
    "request GET /products --header X-Api-Key:hidden",
    "token",
]


async def commands(ground: Ground) -> None:
    """In this process; and once in one of its own, which is looked at from outside while it waits for its token."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(ground).items():
            patch.setenv(name, value)
        patch.chdir(ground.folder)
        for answering in (ground.server.grant, echo(401), echo(400)):
            build.forget()
            ground.server.token = answering
            for command in COMMANDS:
                result = await anyio.to_thread.run_sync(prio, *command.split())
                assert result.output
                ground.note("output", command, result.output)
        ground.server.token = ground.server.grant
        ground.server.meanwhile = ground.look
        ran = await anyio.run_process([*COMMAND, "token"], check=False)
        ground.server.meanwhile = lambda: None
        ground.note("output", "token, alone", (ran.stdout + ran.stderr).decode())
        assert ran.returncode == 0


def _environment(ground: Ground) -> dict[str, str]:
    file = ground.folder / "prio_secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    values = ground.values(name=None, client_secret=None, client_secret_file=file)
    return {f"PRIO_{name.upper()}": str(value) for name, value in values.items()}


async def sandbox(ground: Ground) -> None:
    """A process of its own is told secrets, and told others."""
    account = Account("shop@example.com", SECRET)
    with Sandbox(SandboxOptions(accounts=(account,)), process=True) as served:
        served.admin.set_secret(account.client_id, NEW_SECRET)
        served.admin.put_account(Account("berlin", PASSWORD))
        ground.look()
        ground.note("repr", "sandbox", f"{served!r} {served.options!r} {account!r} {served.admin.token_requests()}")
    child = await anyio.run_process([sys.executable, "-c", "import os; print(os.environ)"])
    ground.note("processes", "what a child inherits", f"{child.stdout.decode()} {os.environ}")


KEY = base64.urlsafe_b64encode(b"?kanarieSchluessel8Jk3Wd!#$%&/()").decode()


async def shared_store(ground: Ground) -> None:
    """A token is shared, taken over, dropped, and refused for all; at last nobody answers."""
    ground.watch(KEY)
    with serve(BINARIES[0], ground.folder) as redis:
        admin = redis.admin()
        admin.config_set("slowlog-log-slower-than", 0)
        admin.config_set("slowlog-max-len", 1000)
        admin.config_set("requirepass", PASSWORD)
        url = f"redis://:{PASSWORD}@127.0.0.1:{redis.port}"
        settings = ground.settings(token_store={"url": url, "encryption_key": KEY})
        for begin in (ground.server.grant, ground.server.grant, echo(401)):
            build.forget()
            ground.server.token = begin
            client = ground.client(settings)
            await ok(client)
            _note_redis(ground, admin)
            ground.server.revoke()
            await (handed_on(ground, client) if begin != ground.server.grant else ok(client))
            _note_redis(ground, admin)
            ground.look()
            await client.close()
        build.forget()
        client = ground.client(settings)
        await ground.failing(client)
        await client.close()
    ground.server.token = ground.server.grant
    build.forget()
    client = ground.client(settings)
    await ok(client)
    ground.look()
    await client.close()


READ: dict[str, Callable[[Any, bytes], object]] = {
    "string": lambda admin, key: admin.get(key),
    "hash": lambda admin, key: admin.hgetall(key),
    "set": lambda admin, key: admin.smembers(key),
    "zset": lambda admin, key: admin.zrange(key, 0, -1, withscores=True),
}


def _note_redis(ground: Ground, admin: Any) -> None:
    for key in admin.keys("*"):
        ground.note("redis", "a key", f"{key!r} {key.decode('latin-1')} {admin.ttl(key)}")
        kind = admin.type(key).decode()
        value = READ[kind](admin, key)
        ground.note("redis", f"a {kind}", f"{value!r} {value}")
    for asked in admin.slowlog_get(1000):
        ground.note("redis", "a command", asked["command"].decode("latin-1"))
