"""azure-core's ``BearerTokenCredentialPolicy`` and its asynchronous twin, in a pipeline over requests, or over aiohttp.

It brings no client credentials grant for servers at large: a credential, its documented protocol, is what a user writes.
"""

from __future__ import annotations

import time
from typing import Any

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.pipeline import AsyncPipeline, Pipeline, PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, BearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest, RequestsTransport

from ..api import Api, Style
from ..place import CLIENT_ID, CLIENT_SECRET, ORIGIN, Place
from ..subject import Client, Subject
from ..transports import AsyncMemoryTransport, session

GRANT = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def _granted(answer: Any) -> AccessTokenInfo:
    # Renewed at its end: without `refresh_on`, tokens of less than five minutes would be fetched for every call.
    end = int(time.time() + answer["expires_in"])
    return AccessTokenInfo(answer["access_token"], end, refresh_on=end)


class Credential:
    """Asks the token endpoint."""

    def __init__(self, place: Place) -> None:
        self._token_url = place.token_url
        self.session = session(place.api, place.ca_file)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A new token."""
        return _granted(self.session.post(self._token_url, GRANT).json())

    def close(self) -> None:
        """Close its connections."""
        self.session.close()


class AsyncCredential:
    """The same over the pipeline's own transport."""

    def __init__(self, place: Place, transport: Any) -> None:
        self._token_url = place.token_url
        self._pipeline: AsyncPipeline[HttpRequest, Any] = AsyncPipeline(transport, [])

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A new token."""
        import json

        request = HttpRequest("POST", self._token_url)
        request.set_formdata_body(dict(GRANT))
        return _granted(json.loads((await self._pipeline.run(request)).http_response.body()))

    async def close(self) -> None:
        """The transport is the caller's."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def sync_transport(place: Place) -> RequestsTransport:
    """requests below, on the loopback interface or in memory."""
    own = {"session_owner": False, "use_env_settings": False, "connection_verify": place.ca_file or True}
    return RequestsTransport(session=session(place.api), **own)


def async_transport(place: Place) -> Any:
    """aiohttp below, or the API in memory."""
    if place.api:
        return AsyncMemoryTransport(place.api)
    import ssl

    import aiohttp

    # With `connection_verify=FILE` it would read the file for every call.
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=place.ca_file))
    return AioHttpTransport(session=aiohttp.ClientSession(connector=connector))


def sync_client(place: Place, pipeline: Pipeline[HttpRequest, Any]) -> Client:
    """A pipeline as a client."""
    return Client(
        lambda path: pipeline.run(HttpRequest("GET", place.base_url + path)).http_response.status_code,
        lambda: pipeline.__exit__(None, None, None),
    )


def async_client(place: Place, pipeline: AsyncPipeline[HttpRequest, Any]) -> Client:
    """The same, asynchronous."""

    async def call(path: str) -> int:
        return int((await pipeline.run(HttpRequest("GET", place.base_url + path))).http_response.status_code)

    return Client(call, lambda: pipeline.__aexit__(None, None, None))


def _sync(place: Place) -> Client:
    credential: Any = Credential(place)
    policy: Any = BearerTokenCredentialPolicy(credential, "read")
    pipeline: Pipeline[HttpRequest, Any] = Pipeline(sync_transport(place), [policy])
    return sync_client(place, pipeline)


def _async(place: Place) -> Client:
    transport = async_transport(place)
    credential: Any = AsyncCredential(place, transport)
    policy: Any = AsyncBearerTokenCredentialPolicy(credential, "read")
    return async_client(place, AsyncPipeline(transport, [policy]))


_granting = Place(ORIGIN, f"{ORIGIN}/token", api=Api())


def _hold(number: int) -> Any:
    policy: Any = BearerTokenCredentialPolicy(_SHARED, f"shop-{number}")
    policy.on_request(PipelineRequest(HttpRequest("GET", ORIGIN), PipelineContext(None)))
    return policy


_SHARED: Any = Credential(_granting)
LOADS = """from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.pipeline.transport import RequestsTransport"""
ON_401: frozenset[Style] = frozenset(("rfc6749",))
SUBJECTS = (Subject("azure-core", "azure-core", _sync, _async, hold=_hold, loads=LOADS, reacts_to=ON_401),)
