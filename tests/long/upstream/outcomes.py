"""Plugin for httpx's own tests: with ``PRIO_THROUGH=1``, all transports are wrapped. Outcomes go to ``PRIO_OUTCOMES``.

Each request gets a token, by the whole pipeline, and loses it again right before the transport that the test gave. So a test
sees what it would see without this package.
"""

# Private access: a client has no public name for its transports, and the tests make their clients themselves.

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from prio_middleware import PRIO_REFUSALS, HeaderInjector, Pipeline, RevocationHandler, StaticTokenProvider
from prio_middleware.httpx import AsyncAuthTransport, AuthTransport

TOKEN = "token-of-the-pipeline"
HEADER = f"Bearer {TOKEN}"

outcomes: dict[str, str] = {}


class WithoutToken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Transport that takes the token away."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = self.inner.handle_request(_without_token(request))
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self.inner.handle_async_request(_without_token(request))
        return response

    def __enter__(self) -> Any:
        return self.inner.__enter__()

    def __exit__(self, *error: object) -> None:
        self.inner.__exit__(*error)

    async def __aenter__(self) -> Any:
        return await self.inner.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self.inner.__aexit__(*error)

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()


def _without_token(request: httpx.Request) -> httpx.Request:
    seen.append(request.headers.get("authorization"))
    if seen[-1] == HEADER:
        del request.headers["authorization"]
    return request


seen: list[str | None] = []
"""Authorization of each request that arrived."""


def pipeline() -> Pipeline:
    """Return a pipeline without guards: the tests call every origin, by plain HTTP."""
    components: list[Any] = [RevocationHandler(PRIO_REFUSALS), StaticTokenProvider(TOKEN), HeaderInjector()]
    return Pipeline(components, waive=["https_enforcer", "origin_guard"])


def wrap(client: Any, kind: Any) -> None:
    """Wrap all transports of ``client``."""

    def through(transport: Any) -> Any:
        return None if transport is None else kind(WithoutToken(transport), pipeline=pipeline())

    client._transport = through(client._transport)
    client._mounts = {pattern: through(transport) for pattern, transport in client._mounts.items()}


def pytest_configure() -> None:
    """Wrap the transports of every client, and give servers a free port."""
    server_config: Any = uvicorn.Config
    original = server_config.__init__

    def on_a_free_port(config: Any, *args: Any, **options: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            options.setdefault("port", sock.getsockname()[1])
        original(config, *args, **options)

    server_config.__init__ = on_a_free_port
    if "PRIO_THROUGH" in os.environ:
        for library_class, kind in ((httpx.Client, AuthTransport), (httpx.AsyncClient, AsyncAuthTransport)):
            _patch(library_class, kind)


def _patch(library_class: Any, kind: Any) -> None:
    original = library_class.__init__

    def through(client: Any, *args: Any, **options: Any) -> None:
        original(client, *args, **options)
        wrap(client, kind)

    library_class.__init__ = through


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the worst outcome of each test."""
    if report.failed or report.nodeid not in outcomes:
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Write the outcomes."""
    Path(os.environ["PRIO_OUTCOMES"]).write_text(json.dumps({"outcomes": outcomes, "carried": seen.count(HEADER)}))
