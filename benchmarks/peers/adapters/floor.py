"""Floors: each HTTP stack with a fixed header."""

from __future__ import annotations

import importlib
from typing import Any

from azure.core.pipeline import AsyncPipeline, Pipeline
from azure.core.pipeline.policies import HeadersPolicy
from azure.core.pipeline.transport import HttpRequest

from ..api import TOKEN_SIZE
from ..place import CLIENT_ID, CLIENT_SECRET, Place
from ..subject import Client, Maker, Subject
from ..transports import async_mock_transport, mock_transport, session
from .azure_core import async_client, async_transport, sync_client, sync_transport


def _header(place: Place) -> dict[str, str]:
    """A token that the place accepts."""
    with session(place.api, place.ca_file) as asking:
        granted = asking.post(place.token_url, {"grant_type": "client_credentials"}, auth=(CLIENT_ID, CLIENT_SECRET)).json()
    assert len(granted["access_token"]) >= min(TOKEN_SIZE, 20)
    return {"Authorization": f"Bearer {granted['access_token']}"}


def _options(place: Place) -> dict[str, Any]:
    import ssl

    return {
        "base_url": place.base_url,
        **({"verify": ssl.create_default_context(cafile=place.ca_file)} if place.ca_file else {}),
    }


def _library(name: str) -> tuple[Maker, Maker]:
    library = importlib.import_module(name)

    def sync(place: Place) -> Client:
        transport = mock_transport(library, place.api) if place.api else None
        client = library.Client(**_options(place), headers=_header(place), transport=transport)
        return Client(lambda path: client.get(path).status_code, client.close)

    def asynchronous(place: Place) -> Client:
        transport = async_mock_transport(library, place.api) if place.api else None
        client = library.AsyncClient(**_options(place), headers=_header(place), transport=transport)

        async def call(path: str) -> int:
            return int((await client.get(path)).status_code)

        return Client(call, client.aclose)

    return sync, asynchronous


def _requests(place: Place) -> Client:
    client = session(place.api, place.ca_file)
    client.headers.update(_header(place))
    return Client(lambda path: client.get(place.base_url + path).status_code, client.close)


def _azure(place: Place) -> Client:
    policy: Any = HeadersPolicy(_header(place))
    pipeline: Pipeline[HttpRequest, Any] = Pipeline(sync_transport(place), [policy])
    return sync_client(place, pipeline)


def _async_azure(place: Place) -> Client:
    policy: Any = HeadersPolicy(_header(place))
    return async_client(place, AsyncPipeline(async_transport(place), [policy]))


AZURE = "from azure.core.pipeline.transport import RequestsTransport"
SUBJECTS = (
    Subject("floor", "httpx", *_library("httpx"), loads="import httpx", role="floor"),
    Subject("floor", "httpx2", *_library("httpx2"), loads="import httpx2", role="floor"),
    Subject("floor", "requests", _requests, "requests has no asynchronous API", loads="import requests", role="floor"),
    Subject("floor", "azure-core", _azure, _async_azure, loads=AZURE, role="floor"),
)
