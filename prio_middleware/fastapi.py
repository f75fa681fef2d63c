"""The drop-in for FastAPI: clients as dependencies.

>>> from fastapi import FastAPI
>>> from prio_middleware.fastapi import PrioClient, PrioMiddleware
>>> app = FastAPI()
>>> app.add_middleware(PrioMiddleware)
>>> @app.get("/products")
... async def products(prio: PrioClient):
...     return (await prio.get("/products")).json()
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx

from .asgi import PrioMiddleware, clients_of
from .clients import DEFAULT
from .extras import needs
from .readiness import answer, readiness

try:
    from fastapi.params import Depends
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
except ModuleNotFoundError as error:
    raise needs("fastapi", error) from None

__all__ = ["ClientDependency", "PrioClient", "PrioMiddleware", "PrioSyncClient", "prio_client", "prio_sync_client", "ready"]


class ClientDependency(Depends):
    """What ``Annotated`` takes. Tests override its ``dependency``."""

    dependency: Callable[[HTTPConnection], Awaitable[Any]]


def prio_client(name: str = DEFAULT) -> ClientDependency:
    """Depend on a named async client.

    ``berlin: Annotated[httpx.AsyncClient, prio_client("berlin")]``

    With the setting ``library = "httpx2"`` it is a client of httpx2, so write ``httpx2.AsyncClient`` there.

    In tests, ``app.dependency_overrides[prio_client("berlin").dependency]`` puts something else in its place.

    Raises:
        ConfigurationError: when a request is served: there is no such client, or no :class:`PrioMiddleware`.
    """
    return ClientDependency(_async_client(name))


def prio_sync_client(name: str = DEFAULT) -> ClientDependency:
    """Depend on a named sync client, in path operations that are declared with ``def``. The rest is as for the async one."""
    return ClientDependency(_sync_client(name))


async def ready(request: Request) -> Response:
    """Answer whether the clients of this process can serve; see :func:`readiness`.

    ``app.add_route("/ready", ready)``.
    """
    status, headers, body = answer(readiness(clients_of(request.scope)))
    return Response(body, status, headers)


@functools.cache  # One function for each name: tests override it by its identity.
def _async_client(name: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
    async def client(connection: HTTPConnection) -> Any:
        return clients_of(connection.scope)[name]

    return client


@functools.cache
def _sync_client(name: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
    async def client(connection: HTTPConnection) -> Any:  # Not def: FastAPI would run it in a thread.
        return clients_of(connection.scope, "prio_sync_clients")[name]

    return client


PrioClient = Annotated[httpx.AsyncClient, prio_client()]
"""The default client, for ``async def``."""

PrioSyncClient = Annotated[httpx.Client, prio_sync_client()]
"""The default client, for ``def``."""
