"""Clients as FastAPI dependencies.

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
from typing import Annotated, Any, Literal

import httpx

from ._util.extras import needs
from .asgi import PrioMiddleware, clients_of
from .web.clients import DEFAULT
from .web.readiness import answer, aprobe

try:
    from fastapi.params import Depends
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
except ModuleNotFoundError as error:
    raise needs("fastapi", error) from None

__all__ = ["ClientDependency", "PrioClient", "PrioMiddleware", "PrioSyncClient", "prio_client", "prio_sync_client", "ready"]


class ClientDependency(Depends):
    """Marker for ``Annotated``. Tests override its ``dependency``."""

    dependency: Callable[[HTTPConnection], Awaitable[Any]]


def prio_client(name: str = DEFAULT) -> ClientDependency:
    """Depend on a named async client.

    ``berlin: Annotated[httpx.AsyncClient, prio_client("berlin")]``

    With the setting ``library = "httpx2"`` it is a client of httpx2, so write ``httpx2.AsyncClient`` there.

    In tests, override it with ``app.dependency_overrides[prio_client("berlin").dependency]``.

    Raises:
        ConfigurationError: at the first request: there is no such client, or no :class:`PrioMiddleware`.
    """
    return ClientDependency(_client(name, "prio_clients"))


def prio_sync_client(name: str = DEFAULT) -> ClientDependency:
    """Depend on a named sync client, in path operations declared with ``def``. See :func:`prio_client`."""
    return ClientDependency(_client(name, "prio_sync_clients"))


async def ready(request: Request) -> Response:
    """Answer 200 if the clients of this process are ready, else 503. See :func:`aprobe`.

    ``app.add_route("/ready", ready)``.
    """
    return Response(*answer(await aprobe(clients_of(request.scope))))


@functools.cache  # Tests override the function of a name by its identity.
def _client(name: str, key: Literal["prio_clients", "prio_sync_clients"]) -> Callable[[HTTPConnection], Awaitable[Any]]:
    async def client(connection: HTTPConnection) -> Any:  # Not def: FastAPI would run it in a thread.
        return clients_of(connection.scope, key)[name]

    return client


PrioClient = Annotated[httpx.AsyncClient, prio_client()]
"""Default client, for ``async def``."""

PrioSyncClient = Annotated[httpx.Client, prio_sync_client()]
"""Default client, for ``def``."""
