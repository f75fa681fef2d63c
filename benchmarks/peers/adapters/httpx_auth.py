"""httpx-auth's ``OAuth2ClientCredentials``, given a client of its own for token requests so that connections are kept."""

from __future__ import annotations

from typing import Any

import httpx
from httpx_auth import OAuth2, OAuth2ClientCredentials

from ..api import Api
from ..place import CLIENT_ID, CLIENT_SECRET, ORIGIN, Place
from ..subject import Client, Subject
from ..transports import async_mock_transport, mock_transport

EARLY = 0.1
"""Seconds before its end when a token is renewed; 0 would be taken for "not given"."""


def _options(place: Place) -> dict[str, Any]:
    import ssl

    return {"verify": ssl.create_default_context(cafile=place.ca_file)} if place.ca_file else {}


def _asking(place: Place) -> httpx.Client:
    return httpx.Client(**_options(place), transport=mock_transport(httpx, place.api) if place.api else None)


def _auth(place: Place, asking: httpx.Client) -> OAuth2ClientCredentials:
    OAuth2.token_cache.clear()  # It is one for the process; each run begins without a token.
    return OAuth2ClientCredentials(place.token_url, CLIENT_ID, CLIENT_SECRET, early_expiry=EARLY, client=asking)


def _sync(place: Place) -> Client:
    asking = _asking(place)
    transport = mock_transport(httpx, place.api) if place.api else None
    client = httpx.Client(base_url=place.base_url, auth=_auth(place, asking), transport=transport, **_options(place))

    def close() -> None:
        client.close()
        asking.close()

    return Client(lambda path: client.get(path).status_code, close)


def _async(place: Place) -> Client:
    asking = _asking(place)
    transport = async_mock_transport(httpx, place.api) if place.api else None
    client = httpx.AsyncClient(base_url=place.base_url, auth=_auth(place, asking), transport=transport, **_options(place))

    async def call(path: str) -> int:
        return (await client.get(path)).status_code

    async def close() -> None:
        await client.aclose()
        asking.close()

    return Client(call, close)


_granting = httpx.Client(transport=mock_transport(httpx, Api()))


def _hold(number: int) -> Any:
    auth = OAuth2ClientCredentials(f"{ORIGIN}/token", f"shop-{number}", CLIENT_SECRET, client=_granting)
    next(auth.auth_flow(httpx.Request("GET", ORIGIN)))
    return auth


SUBJECTS = (Subject("httpx-auth", "httpx", _sync, _async, hold=_hold, loads="import httpx_auth"),)
