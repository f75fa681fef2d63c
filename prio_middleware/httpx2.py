"""Clients and transports for httpx2 whose requests carry a token."""

from __future__ import annotations

from typing import ClassVar

from ._util.extras import needs
from .transports.async_ import BaseAsyncAuthTransport
from .transports.base import BaseAuthTransport
from .transports.client_factory import ClientFactory
from .transports.inner import HTTPLibrary
from .transports.sync import BaseSyncAuthTransport

try:
    import httpx2
except ModuleNotFoundError as error:
    raise needs("httpx2", error) from None

__all__ = [
    "AsyncAuthTransport",
    "AuthTransport",
    "async_client",
    "async_token",
    "async_transport",
    "client",
    "token",
    "transport",
]


class AuthTransport(BaseSyncAuthTransport[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    __doc__ = BaseAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


class AsyncAuthTransport(BaseAsyncAuthTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    __doc__ = BaseAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


_factory: ClientFactory[httpx2.Client, httpx2.AsyncClient, AuthTransport, AsyncAuthTransport] = ClientFactory(
    httpx2, AuthTransport, AsyncAuthTransport
)
client = _factory.client
async_client = _factory.async_client
transport = _factory.transport
async_transport = _factory.async_transport
token = _factory.token
async_token = _factory.async_token
