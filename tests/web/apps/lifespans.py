"""Applications whose lifespan ends in every way it can, each inside a :class:`PrioMiddleware`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from prio_middleware.asgi import PrioMiddleware
from tests.web.helpers import NOWHERE

DOWN = "The database is down."
SETTINGS = {
    "PRIO_CLIENT_ID": "shop@example.com",
    "PRIO_CLIENT_SECRET": "s3cret!@#",
    "PRIO_CA_FILE": str(NOWHERE["ca_file"]),
}
"""Environment variables with which the applications start."""


@contextlib.asynccontextmanager
async def _failing_start(app: Any) -> AsyncGenerator[None]:
    if app:
        raise RuntimeError(DOWN)
    yield


@contextlib.asynccontextmanager
async def _failing_stop(app: Any) -> AsyncGenerator[None]:
    yield
    raise RuntimeError(DOWN)


async def _reports_at_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": DOWN})


async def _reports_and_waits(scope: Scope, receive: Receive, send: Send) -> None:
    """As Quart does."""
    await _reports_at_start(scope, receive, send)
    await receive()


async def _reports_at_stop(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": DOWN})


async def _loops(scope: Scope, receive: Receive, send: Send) -> None:
    while scope["type"] == "lifespan":
        await send({"type": f"{(await receive())['type']}.complete"})


async def _says_nothing_at_stop(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()


async def _has_none(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError


APPS: dict[str, Callable[[], Any]] = {
    "starlette": lambda: Starlette(middleware=[Middleware(PrioMiddleware)]),
    "fastapi": lambda: FastAPI(middleware=[Middleware(PrioMiddleware)]),
    "warm": lambda: Starlette(middleware=[Middleware(PrioMiddleware, warm_up=True)]),
    "raises_at_start": lambda: Starlette(middleware=[Middleware(PrioMiddleware)], lifespan=_failing_start),
    "raises_at_stop": lambda: FastAPI(middleware=[Middleware(PrioMiddleware)], lifespan=_failing_stop),
    "reports_at_start": lambda: PrioMiddleware(_reports_at_start),
    "reports_and_waits": lambda: PrioMiddleware(_reports_and_waits),
    "reports_at_stop": lambda: PrioMiddleware(_reports_at_stop),
    "loops": lambda: PrioMiddleware(_loops),
    "says_nothing_at_stop": lambda: PrioMiddleware(_says_nothing_at_stop),
    "has_none": lambda: PrioMiddleware(_has_none),
}


def make(name: str) -> Any:
    """Return a new application called ``name``; no clients of another test are in it."""
    return APPS[name]()


globals().update({name: new() for name, new in APPS.items()})  # for servers
