"""Clients and transports for httpx whose requests carry a token."""

from __future__ import annotations

from typing import ClassVar

import httpx

from .transports.async_ import BaseAsyncAuthTransport
from .transports.base import BaseAuthTransport
from .transports.client_factory import ClientFactory
from .transports.inner import HTTPLibrary
from .transports.sync import BaseSyncAuthTransport

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


class AuthTransport(BaseSyncAuthTransport[httpx.Request, httpx.Response], httpx.BaseTransport):
    __doc__ = BaseAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx


class AsyncAuthTransport(BaseAsyncAuthTransport[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    __doc__ = BaseAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx


_factory: ClientFactory[httpx.Client, httpx.AsyncClient, AuthTransport, AsyncAuthTransport] = ClientFactory(
    httpx, AuthTransport, AsyncAuthTransport
)
client = _factory.client
async_client = _factory.async_client
transport = _factory.transport
async_transport = _factory.async_transport
token = _factory.token
async_token = _factory.async_token
