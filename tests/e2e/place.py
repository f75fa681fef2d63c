"""Where a sandbox is, and the clients of one kind that can reach it: in process, or over TLS from a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from prio_middleware import build
from prio_middleware.sandbox import Account, Sandbox, SandboxApp
from prio_middleware.settings import ClientSettings
from tests.transports.world import WORLDS, Caller, World

SYNC = [f"{world} over TLS" for world in WORLDS if world.endswith("sync")]
ASYNC_OVER_TLS = [f"{world} over TLS" for world in WORLDS if not world.endswith("sync")]
IN_PROCESS = [f"{world} in process" for world in WORLDS if not world.endswith("sync")]
EVERYWHERE = [*SYNC, *IN_PROCESS, "httpx-asyncio over TLS", "httpx2-trio over TLS"]
"""Each kind of client at least once, and over TLS at least one of each library, colour and event loop."""

PRODUCT = "/products/1004"
FORBIDDEN = "/reports/sales"
HOLD_BACK = 0.01
PATIENCE = 30.0
"""Seconds after which something hangs. Nothing here takes a tenth of it."""


class Place:
    """A sandbox as clients of one world see it.

    Args:
        world: library, colour and event loop.
        sandbox: served, or an application to be called in process.
    """

    def __init__(self, world: World, sandbox: Sandbox | SandboxApp) -> None:
        self.world = world
        self.sandbox = sandbox
        self.admin = sandbox.admin
        self.account: Account = sandbox.options.accounts[0]

    @property
    def base_url(self) -> str:
        if isinstance(self.sandbox, SandboxApp):
            return f"https://sandbox.test{self.sandbox.base_path}"
        return self.sandbox.base_url

    def settings(self, **changes: Any) -> ClientSettings:
        values: dict[str, Any] = {
            "name": "shop",
            "base_url": self.base_url,
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "hold_back": HOLD_BACK,
        }
        if isinstance(self.sandbox, Sandbox):
            values["ca_file"] = self.sandbox.ca_file
        return ClientSettings(**{**values, **changes})

    def make(self, settings: ClientSettings | None = None, **options: Any) -> Caller:
        """A client, to be closed by the caller."""
        face = self.world.face
        make = face.client if self.world.is_sync else face.async_client
        if isinstance(self.sandbox, SandboxApp):
            options.setdefault("transport", self.world.library.ASGITransport(self.sandbox))
        return Caller(make(settings=settings or self.settings(), **options))

    @contextlib.asynccontextmanager
    async def client(self, settings: ClientSettings | None = None, **options: Any) -> AsyncIterator[Caller]:
        client = self.make(settings, **options)
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def clients(self, number: int, settings: ClientSettings | None = None) -> AsyncIterator[list[Caller]]:
        """Several clients with one token provider between them."""
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.client(settings)) for _ in range(number)]

    @staticmethod
    def provider(settings: ClientSettings) -> Any:
        """The token provider that all clients of these settings share."""
        return build.pipeline_for(settings).provider


@contextlib.contextmanager
def does_not_hang() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < PATIENCE
