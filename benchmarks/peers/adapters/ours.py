"""This library: ``client()`` and ``async_client()``, with every default component."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

from prio_middleware import ClientCredentialsProvider, Secret, build
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.client_auth import ClientSecretBasic
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.oauth.token_response import TokenResponse
from prio_middleware.settings import ClientSettings

from ..api import Api, Style
from ..place import CLIENT_ID, CLIENT_SECRET, ORIGIN, Place
from ..subject import Client, Maker, Subject
from ..transports import async_mock_transport, mock_transport

EVERY: frozenset[Style] = frozenset(("rfc6749", "prio"))
Refresh = Literal["on_expiry", "ahead"]


def _settings(place: Place, refresh: Refresh) -> ClientSettings:
    values: dict[str, Any] = {"ca_file": place.ca_file} if place.ca_file else {}
    return ClientSettings(
        preset=place.style,
        base_url=place.base_url,
        token_url=place.token_url,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        refresh=refresh,
        **values,
    )


def _client(name: str, place: Place, refresh: Refresh, *, is_async: bool) -> Client:
    library, face = importlib.import_module(name), importlib.import_module(f"prio_middleware.{name}")
    mock, make = (async_mock_transport, face.async_client) if is_async else (mock_transport, face.client)
    build.forget()  # Each run begins without a token.
    client = make(settings=_settings(place, refresh), **({"transport": mock(library, place.api)} if place.api else {}))
    if is_async:

        async def acall(path: str) -> int:
            return int((await client.get(path)).status_code)

        return Client(acall, client.aclose)
    return Client(lambda path: client.get(path).status_code, client.close)


def _makers(name: str, refresh: Refresh) -> tuple[Maker, Maker]:
    def sync(place: Place) -> Client:
        return _client(name, place, refresh, is_async=False)

    def asynchronous(place: Place) -> Client:
        return _client(name, place, refresh, is_async=True)

    return sync, asynchronous


def _hold(name: str) -> Callable[[int], Any]:
    """A transport around one shared inner transport, with a provider of its own."""
    library, face = importlib.import_module(name), importlib.import_module(f"prio_middleware.{name}")
    api = Api()
    inner = mock_transport(library, api)

    def hold(number: int) -> Any:
        endpoint = TokenEndpoint(f"{ORIGIN}/token", ClientSecretBasic(f"shop-{number}", Secret(CLIENT_SECRET)))
        provider = ClientCredentialsProvider(endpoint)
        provider.get_token(DEFAULT_OPTIONS, None, lambda _: TokenResponse(*api.answer("/token", None)))
        return face.AuthTransport(inner, provider=provider)

    return hold


def _subject(name: str) -> Subject:
    loads = f"from prio_middleware.{name} import client"
    makers = _makers(name, "on_expiry")
    return Subject("prio-middleware", name, *makers, hold=_hold(name), loads=loads, reacts_to=EVERY, role="ours")


SUBJECTS = (
    _subject("httpx"),
    _subject("httpx2"),
    Subject("prio-middleware, ahead", "httpx", *_makers("httpx", "ahead"), role="ours", only="expiry"),
    Subject("prio-middleware, ahead", "httpx2", *_makers("httpx2", "ahead"), role="ours", only="expiry"),
)
