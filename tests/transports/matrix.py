"""Test clients of each HTTP library, sync and async, asyncio and trio, behind one awaitable interface."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from prio_middleware.settings import ClientSettings, Settings

API = "https://api.example"
BASE = f"{API}/v1"
TOKEN_URL = f"{API}/token"
SECRET = "s3cret!@#$%"


def settings(**changes: Any) -> ClientSettings:
    values = {
        "preset": "rfc6749",
        "name": "shop",
        "base_url": BASE,
        "token_url": TOKEN_URL,
        "client_id": "shop@example.com",
        "client_secret": SECRET,
        "token_deadline": 20.0,
        "token_timeout": 10.0,
    }
    return ClientSettings(**{**values, **changes})


class Caller:
    """Client of any kind with awaitable methods: a sync one runs in a thread."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._is_sync = hasattr(client, "close")

    async def __call__(self, method: str, url: str, **options: Any) -> Any:
        return await self._run(self.client.request, method, url, **options)

    async def get(self, url: str = "/products", **options: Any) -> Any:
        return await self("GET", url, **options)

    async def post(self, url: str = "/orders", **options: Any) -> Any:
        return await self("POST", url, **options)

    async def send(self, request: Any, **options: Any) -> Any:
        return await self._run(self.client.send, request, **options)

    async def stream(self, method: str, url: str) -> tuple[Any, list[bytes]]:
        """Return the response and its raw chunks, streamed."""
        request = self.client.build_request(method, url)
        response = await self.send(request, stream=True)
        try:
            if self._is_sync:
                return response, await anyio.to_thread.run_sync(lambda: list(response.iter_raw()))
            return response, [chunk async for chunk in response.aiter_raw()]
        finally:
            await self.close_response(response)

    async def close_response(self, response: Any) -> None:
        await self._run(response.close if self._is_sync else response.aclose)

    async def close(self) -> None:
        await self._run(self.client.close if self._is_sync else self.client.aclose)

    async def _run(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if self._is_sync:
            job = [functools.partial(call, *args, **options)]

            def run() -> Any:
                # A thread that has answered holds what it ran for a moment more: it is to be nothing that holds the client.
                return job.pop()()

            return await anyio.to_thread.run_sync(run)
        return await call(*args, **options)


class MatrixClient:
    """HTTP library, sync or async, and event loop."""

    def __init__(self, name: str) -> None:
        library, colour = name.split("-")
        self.library: Any = importlib.import_module(library)
        self.module: Any = importlib.import_module(f"prio_middleware.{library}")
        self.is_sync = colour == "sync"
        self.backend = "asyncio" if self.is_sync else colour

    def client(
        self, server: Callable[[Any], Any], *, settings: Settings | ClientSettings | None = None, **options: Any
    ) -> Caller:
        """Return a client whose inner transport is ``server``, a function from request to response."""
        from tests.transports import matrix

        make = self.module.client if self.is_sync else self.module.async_client
        return Caller(make(settings=settings or matrix.settings(), transport=self.library.MockTransport(server), **options))

    def transport(self, inner: Any, **options: Any) -> Any:
        wrap = self.module.AuthTransport if self.is_sync else self.module.AsyncAuthTransport
        return wrap(inner, **{"name": "shop", **options})

    def caller(self, transport: Any, **options: Any) -> Caller:
        make = self.library.Client if self.is_sync else self.library.AsyncClient
        return Caller(make(**{"transport": transport, "base_url": BASE, **options}))

    def bodies(self, *chunks: bytes, error: Exception | None = None, closed: list[str] | None = None) -> Any:
        """Return a stream of the library that yields ``chunks``, may fail at its end, and records its close."""
        notes = [] if closed is None else closed
        Sync, Async = self.library.SyncByteStream, self.library.AsyncByteStream  # noqa: N806 - they are classes

        class Body(Sync, Async):  # type: ignore[valid-type, misc]  # which library's is known at run time only
            def __iter__(self) -> Any:
                yield from chunks
                if error:
                    raise error

            async def __aiter__(self) -> Any:
                for chunk in chunks:
                    yield chunk
                if error:
                    raise error

            def close(self) -> None:
                notes.append("closed")

            async def aclose(self) -> None:
                notes.append("closed")

        return Body()


class Server:
    """Token endpoint and API on one host, as a handler for ``MockTransport``. Records its requests."""

    def __init__(
        self, matrix: MatrixClient, *, respond: Callable[[Any], Any] | None = None, token: Callable[[Any], Any] | None = None
    ):
        self._library = matrix.library
        self._respond = respond
        self._token = token
        self.granted = 0
        self.revoked: set[str] = set()
        self.token_requests: list[Any] = []
        self.calls: list[tuple[str, str, dict[str, str], bytes]] = []

    def __call__(self, request: Any) -> Any:
        if request.url.path == "/token":
            self.token_requests.append((dict(request.headers), request.content, dict(request.extensions)))
            return self._token(request) if self._token else self.grant()
        authorization = request.headers.get("authorization", "")
        self.calls.append((request.method, str(request.url), dict(request.headers), request.content))
        if authorization in self.revoked:
            return self.refuse()
        answer = self._respond(request) if self._respond else None
        assert not inspect.isawaitable(answer)
        return answer or self._library.Response(200, json={"authorization": authorization})

    def grant(self) -> Any:
        self.granted += 1
        return self._library.Response(
            200, json={"access_token": f"token-{self.granted}", "token_type": "Bearer", "expires_in": 3600}
        )

    def refuse(self, status: int = 401, error: str = "invalid_token", **headers: str) -> Any:
        body = {"error": error, "error_reference": "REF-1"}
        return self._library.Response(status, content=json.dumps(body), headers=headers)

    def revoke(self, number: int) -> None:
        self.revoked.add(f"Bearer token-{number}")

    @property
    def authorizations(self) -> list[str | None]:
        return [headers.get("authorization") for _, _, headers, _ in self.calls]
