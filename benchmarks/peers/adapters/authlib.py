"""Authlib's ``OAuth2Client`` and ``AsyncOAuth2Client``, which renew by themselves when told the endpoint and the grant."""

from __future__ import annotations

from typing import Any

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client

from ..api import TOKEN_SIZE
from ..place import CLIENT_ID, CLIENT_SECRET, ORIGIN, Place
from ..subject import Client, Subject
from ..transports import async_mock_transport, mock_transport

# Without a token it calls nothing, so it begins with one that has expired, which the first caller renews.
EXPIRED = {"access_token": "none", "token_type": "Bearer", "expires_at": 1}


def _options(place: Place) -> dict[str, Any]:
    import ssl

    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "token_endpoint": place.token_url,
        "grant_type": "client_credentials",
        "token": dict(EXPIRED),
        "leeway": 0,
        "base_url": place.base_url,
        **({"verify": ssl.create_default_context(cafile=place.ca_file)} if place.ca_file else {}),
    }


def _sync(place: Place) -> Client:
    transport = mock_transport(httpx2, place.api) if place.api else None
    client: Any = OAuth2Client(**_options(place), transport=transport)
    return Client(lambda path: client.get(path).status_code, client.close)


def _async(place: Place) -> Client:
    transport = async_mock_transport(httpx2, place.api) if place.api else None
    client: Any = AsyncOAuth2Client(**_options(place), transport=transport)

    async def call(path: str) -> int:
        return int((await client.get(path)).status_code)

    return Client(call, client.aclose)


_nowhere = httpx2.MockTransport(lambda _: httpx2.Response(200))


def _hold(number: int) -> Any:
    token = {"access_token": f"{number:0{TOKEN_SIZE}}", "token_type": "Bearer", "expires_in": 3600, "expires_at": 2**31}
    options: dict[str, Any] = {**_options(Place(ORIGIN, f"{ORIGIN}/token")), "client_id": f"shop-{number}", "token": token}
    return OAuth2Client(**options, transport=_nowhere)


LOADS = "from authlib.integrations.httpx_client import OAuth2Client"
SUBJECTS = (Subject("Authlib", "httpx2", _sync, _async, hold=_hold, loads=LOADS),)
