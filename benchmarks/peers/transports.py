"""In-memory transports of each HTTP stack, in place of its network transport."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import requests
from azure.core.pipeline.transport import AsyncHttpResponse, AsyncHttpTransport, HttpRequest
from requests.adapters import BaseAdapter

from .api import Answer, Api


def mock_transport(library: Any, api: Api) -> Any:
    """A ``MockTransport`` for a sync client of httpx or httpx2."""

    def handle(request: Any) -> Any:
        return _response(library, sync_answer(api, request.url.path, request.headers.get("authorization")))

    return library.MockTransport(handle)


def async_mock_transport(library: Any, api: Api) -> Any:
    """The same for an async client."""

    async def handle(request: Any) -> Any:
        return _response(library, await async_answer(api, request.url.path, request.headers.get("authorization")))

    return library.MockTransport(handle)


def _response(library: Any, answer: Answer) -> Any:
    return library.Response(answer.status, headers=answer.headers, content=answer.body)


def sync_answer(api: Api, path: str, authorization: str | None) -> Answer:
    """The answer, after its delay."""
    before, after = api.delays(path)
    if before:
        time.sleep(before)
    answer = api.answer(path, authorization)
    if after:
        time.sleep(after)
    return answer


async def async_answer(api: Api, path: str, authorization: str | None) -> Answer:
    """The same, awaiting."""
    before, after = api.delays(path)
    if before:
        await asyncio.sleep(before)
    answer = api.answer(path, authorization)
    if after:
        await asyncio.sleep(after)
    return answer


class MemoryAdapter(BaseAdapter):
    """The same for requests."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - as requests has it
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        path = str(urlsplit(request.url or "").path)
        status, headers, body = sync_answer(self._api, path, request.headers.get("Authorization", ""))  # type: ignore[arg-type]
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url or ""
        response.headers.update(headers)
        response.raw = io.BytesIO(body)
        return response

    def close(self) -> None:
        """Nothing was opened."""


def session(api: Api | None, ca_file: str | None = None) -> requests.Session:
    """A session of requests that reaches the API in memory, or one that trusts ``ca_file``."""
    made = requests.Session()
    made.trust_env = False  # It would look for .netrc and proxies at every call.
    if api is not None:
        made.mount("https://", MemoryAdapter(api))
    if ca_file is not None:
        made.verify = ca_file
    return made


class MemoryResponse(AsyncHttpResponse):
    """Answer for azure-core's pipeline, in place of aiohttp's."""

    def __init__(self, request: HttpRequest, response: httpx2.Response) -> None:
        super().__init__(request, response)
        self.status_code, self.headers, self._body = response.status_code, response.headers, response.content
        self.content_type = "application/json"

    def body(self) -> bytes:
        """The whole of it."""
        return self._body


class AsyncMemoryTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """The same for azure-core's async pipeline. aiohttp cannot answer from memory; httpx2 stands in for it."""

    def __init__(self, api: Api) -> None:
        self._client = httpx2.AsyncClient(transport=async_mock_transport(httpx2, api))

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:
        form: Any = request.data  # Of a token request; a call has none.
        response = await self._client.request(request.method, request.url, headers=request.headers, data=form)
        return MemoryResponse(request, response)

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
