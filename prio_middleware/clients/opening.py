"""Making a client with the HTTP library that its settings choose. The other one is not loaded."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from ..build import pipeline_for
from ..errors import ConfigurationError
from ..settings import ClientSettings
from ..tokens.provider import ClientCredentialsProvider

if TYPE_CHECKING:
    import httpx

_PACKAGE = __name__.partition(".")[0]


def open_client(settings: ClientSettings) -> httpx.Client:
    """A new sync client.

    Raises:
        ConfigurationError: the settings cannot be used, or a package that they ask for is not installed.
    """
    client: httpx.Client = _make(settings, "client")
    return client


def open_async_client(settings: ClientSettings) -> httpx.AsyncClient:
    """A new async client.

    Raises:
        ConfigurationError: as for :func:`open_client`.
    """
    client: httpx.AsyncClient = _make(settings, "async_client")
    return client


def listen(settings: ClientSettings) -> None:
    """Hear of tokens that other processes drop, if this client's are shared: for a process that is here to stay."""
    provider = pipeline_for(settings).provider
    if isinstance(provider, ClientCredentialsProvider):
        provider.listen()


def face(settings: ClientSettings) -> ModuleType:
    """``prio_middleware.httpx`` or ``prio_middleware.httpx2``."""
    return importlib.import_module(f"{_PACKAGE}.{settings.library}")


def _make(settings: ClientSettings, kind: Literal["client", "async_client"]) -> Any:
    try:
        return getattr(face(settings), kind)(settings=settings)
    except ImportError as error:  # Of httpx2, or of what HTTP/2 and SOCKS proxies need.
        missing = str(error)
    raise ConfigurationError(
        f"The client cannot be made: {missing.rstrip('.')}.",
        client=settings.name,
        remedy="Install what is missing, or change the setting that asks for it (library, http2, proxy).",
    )
