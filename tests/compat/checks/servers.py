"""Servers, each as a process of its own with its own workers."""

from __future__ import annotations

import sys

from tests.compat.local_api import LocalAPI
from tests.compat.serving import serve_file
from tests.compat.table import check

SERVERS = "Servers"
STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from prio_middleware.asgi import PrioMiddleware

async def orders(request):
    return JSONResponse((await request.state.prio.get("/orders")).json())

app = Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(PrioMiddleware, warm_up=True)])
"""
FLASK = """
from flask import Flask
from prio_middleware.flask import Prio

app = Flask(__name__)
prio = Prio(app, warm_up=True)

@app.get("/orders")
def orders():
    return prio.client.get("/orders").json()
"""


def serve(api: LocalAPI, code: str, *command: str) -> None:
    """Start the server, and check one answer."""
    assert serve_file(code, [sys.executable, "-m", *command], api.environment(), "/orders") == 200


@check("uvicorn", SERVERS, "`uvicorn app:app`, with any `--loop` and `--workers`")
def uvicorn(api: LocalAPI) -> None:
    serve(api, STARLETTE, "uvicorn", "app:app", "--port", "{port}", "--loop", "uvloop")


@check("Hypercorn", SERVERS, "`hypercorn app:app`, also with `--worker-class trio`")
def hypercorn(api: LocalAPI) -> None:
    serve(api, STARLETTE, "hypercorn", "app:app", "--bind", "127.0.0.1:{port}", "--worker-class", "trio")


@check("granian", SERVERS, "`granian --interface asgi app:app`")
def granian(api: LocalAPI) -> None:
    serve(api, STARLETTE, "granian", "--interface", "asgi", "--port", "{port}", "app:app")


@check("gunicorn", SERVERS, "`gunicorn --preload app:app`: each worker opens its own clients")
def gunicorn(api: LocalAPI) -> None:
    command = ["gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", "app:app"]
    serve(api, FLASK, *command)


@check("waitress", SERVERS, "`waitress-serve app:app`")
def waitress(api: LocalAPI) -> None:
    serve(api, FLASK, "waitress", "--listen=127.0.0.1:{port}", "app:app")
