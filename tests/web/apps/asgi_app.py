"""ASGI applications for real servers, configured by ``PRIO_...`` variables."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from prio_middleware.asgi import PrioMiddleware, ReadyApp
from tests.web.helpers import PRODUCTS


async def products(request: Request) -> Response:
    answer = await request.state.prio.get(PRODUCTS)
    return JSONResponse({"process": os.getpid()}, answer.status_code)


def products_sync(request: Request) -> Response:
    return Response(status_code=request.state.prio_sync.get(PRODUCTS).status_code)


async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.state.prio.get(PRODUCTS)


ROUTES = [
    Route("/products", products),
    Route("/sync", products_sync),
    Route("/ready", ReadyApp()),
    WebSocketRoute("/live", live),
]


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """Knows nothing of lifespans."""
    assert scope["type"] == "http"
    await Router(ROUTES)(scope, receive, send)


app = Starlette(routes=ROUTES, middleware=[Middleware(PrioMiddleware)])
mounted = Starlette(routes=[Mount("/", app=app)])
around_deaf = PrioMiddleware(deaf)
warm = Starlette(routes=ROUTES, middleware=[Middleware(PrioMiddleware, warm_up=True)])
