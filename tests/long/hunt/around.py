"""Features around the clients: drop-ins, commands, the sandbox, a shared store."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

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

from prio_middleware import AccountCredentials, build
from prio_middleware import django as prio_django
from prio_middleware import fastapi as prio_fastapi
from prio_middleware import flask as prio_flask
from prio_middleware.asgi import PrioMiddleware, ReadyApp, StatusPage
from prio_middleware.fastapi import PrioClient
from prio_middleware.sandbox import Account, Sandbox, SandboxOptions
from prio_middleware.settings import Settings
from prio_middleware.wsgi import CLIENT, WSGIReadyApp, WSGIStatusPage
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware
from tests.cli.helpers import prio
from tests.long.hunt.calls import handed_on, ok, quiet
from tests.long.hunt.canaries import NEW_SECRET, PASSWORD, SECRET
from tests.long.hunt.context import HuntContext
from tests.long.hunt.server import Answer, echo, says
from tests.redis_servers import BINARIES, serve

PAGES = ("/shop", "/ready", "/status/", "/status/status.json")

Visit = Callable[[str], Any]


async def starlette_app(context: HuntContext) -> None:
    async def shop(request: Request) -> Response:
        return Response(status_code=(await request.state.prio.get("/products")).status_code)

    routes = [Route("/shop", shop), Route("/ready", ReadyApp()), Mount("/status", StatusPage())]
    app = Starlette(routes=routes, middleware=[Middleware(PrioMiddleware, settings=_settings(context))])
    await anyio.to_thread.run_sync(_through_asgi, context, app)


def load_account(name: str) -> AccountCredentials | None:
    if name == "broken":
        raise LookupError(f"The row of {name} is ({NEW_SECRET!r}).")
    return AccountCredentials(name, f"{name}@example.com", NEW_SECRET) if name in {"berlin", "paris"} else None


async def accounts_of_requests(context: HuntContext) -> None:
    """Each inbound request names the account of its calls: right ones, and those that a stranger invents."""

    async def shop(request: Request) -> Response:
        return Response(status_code=(await request.state.prio.get("/products")).status_code)

    def account_of(scope: Any) -> str:
        return str(parse_qs(scope["query_string"].decode()).get("account", [""])[0])

    settings = Settings.from_values(**context.values(name=None, accounts=f"{__name__}:load_account"))
    routes = [Route("/shop", shop), Route("/ready", ReadyApp()), Mount("/status", StatusPage())]
    app = Starlette(routes=routes, middleware=[Middleware(PrioMiddleware, settings=settings, account=account_of)])
    context.server.api = lambda _: Answer(200)

    def visit() -> None:
        with TestClient(app) as browser:
            for name, status in {"berlin": 200, "paris": 200, "broken": 503, "nobody": 404, "no%0Abody": 404, "": 404}.items():
                assert (name, note_page(context, browser.get, f"/shop?account={name}")) == (name, status)
            context.server.api = context.server.token = echo(401)
            for page in ("/shop?account=berlin", "/shop?account=berlin", *PAGES[1:]):
                note_page(context, browser.get, page)
            context.look()

    await anyio.to_thread.run_sync(visit)


async def fastapi_app(context: HuntContext) -> None:
    app = FastAPI()
    app.add_middleware(PrioMiddleware, settings=_settings(context))
    app.add_route("/ready", prio_fastapi.ready)
    app.mount("/status", StatusPage())

    @app.get("/shop")
    async def shop(prio: PrioClient) -> int:
        return (await prio.get("/products")).status_code

    await anyio.to_thread.run_sync(_through_asgi, context, app)


def _through_asgi(context: HuntContext, app: Any) -> None:
    with TestClient(app) as browser:
        _visit(context, browser.get)


async def wsgi_app(context: HuntContext) -> None:
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

    _through_wsgi(context, WSGIMiddleware(app, _settings(context)))


async def flask_app(context: HuntContext) -> None:
    app = flask.Flask(__name__)
    app.config["PRIO"] = context.values(name=None)
    prio_flask.Prio(app)
    app.add_url_rule("/shop", "shop", lambda: [prio_flask.current_client.get("/products").status_code])
    app.add_url_rule("/ready", view_func=prio_flask.ready)
    app.register_blueprint(prio_flask.status_page(), url_prefix="/status")
    _through_wsgi(context, app)


def _through_wsgi(context: HuntContext, app: Any) -> None:
    with httpx.Client(transport=httpx.WSGITransport(app, remote_addr="192.0.2.1"), base_url="http://testserver") as browser:
        _visit(context, browser.get)


async def django_app(context: HuntContext) -> None:
    await anyio.to_thread.run_sync(_through_django, context)


def _shop(request: Any) -> HttpResponse:
    return HttpResponse(status=request.prio.get("/products").status_code)


urlpatterns = [
    path("shop", _shop),
    path("ready", prio_django.ready),
    re_path(r"^status(?P<path>/.*)?$", prio_django.status_page),
]


def _through_django(context: HuntContext) -> None:
    if not django_settings.configured:
        django_settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of the tests")
        django.setup()
    middleware = ["prio_middleware.django.PrioMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, PRIO=context.values(name=None), DEBUG=True):
        _visit(context, DjangoClient(raise_request_exception=False).get)


def _settings(context: HuntContext) -> Settings:
    return Settings.from_values(**context.values(name=None))


def _visit(context: HuntContext, get: Visit) -> None:
    """Accept the token; then reject it without a replacement; then grant none."""
    assert [(page, note_page(context, get, page)) for page in PAGES] == [(page, 200) for page in PAGES]
    context.server.revoke()
    context.server.token = echo(401)
    refused, failed = (note_page(context, get, "/shop") for _ in range(2))
    assert (refused in {200, 401}, failed) == (True, 503)
    for page in PAGES:
        note_page(context, get, page)
    context.look()


def note_page(context: HuntContext, get: Visit, page: str) -> int:
    """Keep an answer of a drop-in. Returns its status."""
    answer = get(page)
    context.note("pages", page, f"{dict(answer.headers)} {answer.content.decode()}")
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


ECHOED = ("check --json", "request GET /products", "request GET /products --json")


async def commands(context: HuntContext) -> None:
    """In this process; and once in one of its own, which is looked at from outside while it waits for its token."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(context).items():
            patch.setenv(name, value)
        patch.chdir(context.folder)
        for answering in (context.server.grant, echo(401), echo(400)):
            build.forget()
            context.server.token = answering
            for command in COMMANDS:
                result = await anyio.to_thread.run_sync(prio, *command.split())
                assert result.output
                context.note("output", command, result.output)
        context.server.token = context.server.grant
        for status in (302, 403):
            for answering in (echo(status), says(status, context.server.latest), says(status, SECRET)):
                context.server.api = answering
                for command in ECHOED:
                    with quiet("httpcore", "httpcore2"):
                        result = await anyio.to_thread.run_sync(prio, *command.split())
                    # The body of an answer is what the user asked for, on standard output.
                    context.note("output", f"standard error of {command}", result.stderr)
                    if not command.startswith("request"):
                        context.note("output", command, result.output)
        context.server.api = context.server.serve
        context.server.meanwhile = context.look
        ran = await anyio.run_process([sys.executable, "-m", "prio_middleware.cli", "token"], check=False)
        context.server.meanwhile = lambda: None
        context.note("output", "token, alone", (ran.stdout + ran.stderr).decode())
        assert ran.returncode == 0


def _environment(context: HuntContext) -> dict[str, str]:
    file = context.folder / "prio_secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    values = context.values(name=None, client_secret=None, client_secret_file=file)
    return {f"PRIO_{name.upper()}": str(value) for name, value in values.items()}


async def sandbox(context: HuntContext) -> None:
    """A process of its own is told secrets, and told others."""
    account = Account("shop@example.com", SECRET)
    with Sandbox(SandboxOptions(accounts=(account,)), process=True) as served:
        served.admin.set_secret(account.client_id, NEW_SECRET)
        served.admin.put_account(Account("berlin", PASSWORD))
        context.look()
        context.note("repr", "sandbox", f"{served!r} {served.options!r} {account!r} {served.admin.token_requests()}")
    child = await anyio.run_process([sys.executable, "-c", "import os; print(os.environ)"])
    context.note("processes", "what a child inherits", f"{child.stdout.decode()} {os.environ}")


KEY = base64.urlsafe_b64encode(b"?kanarieSchluessel8Jk3Wd!#$%&/()").decode()


async def shared_store(context: HuntContext) -> None:
    """A token is shared, taken over, dropped, and rejected for all processes; at last the store does not answer."""
    context.watch(KEY)
    with serve(BINARIES[0], context.folder) as redis:
        admin = redis.admin()
        admin.config_set("slowlog-log-slower-than", 0)
        admin.config_set("slowlog-max-len", 1000)
        admin.config_set("requirepass", PASSWORD)
        url = f"redis://:{PASSWORD}@127.0.0.1:{redis.port}"
        settings = context.settings(token_store={"url": url, "encryption_key": KEY})
        for begin in (context.server.grant, context.server.grant, echo(401)):
            build.forget()
            context.server.token = begin
            client = context.client(settings)
            await ok(client)
            note_redis(context, admin)
            context.server.revoke()
            await (handed_on(context, client) if begin != context.server.grant else ok(client))
            note_redis(context, admin)
            context.look()
            await client.close()
        build.forget()
        client = context.client(settings)
        await context.failing(client)
        await client.close()
    context.server.token = context.server.grant
    build.forget()
    client = context.client(settings)
    await ok(client)
    context.look()
    await client.close()


async def token_file(context: HuntContext) -> None:
    """A token is kept in a file, taken over, dropped; the file is damaged, then another program's. A tool asks for it bare."""
    context.watch(KEY)
    file = context.folder / "state" / "tokens"
    settings = context.settings(token_store={"url": f"file://{file}", "encryption_key": KEY})
    for spoil in (None, b"prio-middleware tokens 1\n{", b"[clients]\n"):
        if spoil:
            file.write_bytes(spoil)
        for _ in range(2):
            build.forget()
            client = context.client(settings)
            await ok(client)
            note_file(context, file)
            context.look()
            await client.close()
        context.server.revoke()
    module = context.matrix.module
    bare = module.token(settings=settings) if context.matrix.is_sync else await module.async_token(settings=settings)
    context.note("repr", "a bare token", f"{bare!r} {bare}")
    context.look()


def note_file(context: HuntContext, file: Path) -> None:
    """Keep what a file holds."""
    context.note("files", file.name, file.read_bytes().decode("latin-1"))


READ: dict[str, Callable[[Any, bytes], object]] = {
    "string": lambda admin, key: admin.get(key),
    "hash": lambda admin, key: admin.hgetall(key),
    "set": lambda admin, key: admin.smembers(key),
    "zset": lambda admin, key: admin.zrange(key, 0, -1, withscores=True),
}


def note_redis(context: HuntContext, admin: Any) -> None:
    """Keep what the store holds, and what it was asked."""
    for key in admin.keys("*"):
        context.note("redis", "a key", f"{key!r} {key.decode('latin-1')} {admin.ttl(key)}")
        kind = admin.type(key).decode()
        value = READ[kind](admin, key)
        context.note("redis", f"a {kind}", f"{value!r} {value}")
    for asked in admin.slowlog_get(1000):
        context.note("redis", "a command", asked["command"].decode("latin-1"))
