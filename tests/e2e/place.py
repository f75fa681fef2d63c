"""Where a sandbox is, and the clients of one kind that can reach it: in process, or over TLS from a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import anyio
import pytest

from prio_middleware import TokenError, build
from prio_middleware.sandbox import Account, Sandbox, SandboxApp
from prio_middleware.settings import ClientSettings
from tests.e2e.leak import assert_silent
from tests.transports.world import WORLDS, Caller, World

OVER_TLS = [f"{world} over TLS" for world in WORLDS]
IN_PROCESS = [f"{world} in process" for world in WORLDS if not world.endswith("sync")]
SYNC = [place for place in OVER_TLS if "-sync " in place]
SOME_OVER_TLS = ["httpx-sync over TLS", "httpx-asyncio over TLS", "httpx2-trio over TLS"]
"""Both libraries, both colours, both event loops."""

EVERY_WORLD = [*SYNC, "httpx-asyncio over TLS", "httpx-trio in process", "httpx2-asyncio in process", "httpx2-trio over TLS"]
"""Each kind of client once."""

EVERYWHERE = [*SYNC, *IN_PROCESS, "httpx-asyncio over TLS", "httpx2-trio over TLS"]
"""Each kind of client, and async ones both in process and over TLS."""

PRODUCT = "/products/1004"
FORBIDDEN = "/reports/sales"
HOLD_BACK = 0.001
FAR = 120.0
"""Seconds until a deadline that no test is meant to meet, however busy the machine."""

SOON: dict[str, Any] = {"token_deadline": 0.2, "token_timeout": 0.2}
"""For failures that are tried again until the deadline: the first pause would not end before it."""

SOME_TRIES: dict[str, Any] = {"token_deadline": 1.4, "token_timeout": 1.4}
"""The same, with two more tries. By the pauses between them, the last has a second's third at least to meet its failure."""

PATIENCE = 60.0
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
        if isinstance(sandbox, SandboxApp):
            self.base_url, self.ca_file = f"https://sandbox.test{sandbox.base_path}", None
        else:
            self.base_url, self.ca_file = sandbox.base_url, sandbox.ca_file

    def settings(self, **changes: Any) -> ClientSettings:
        values: dict[str, Any] = {
            "name": "shop",
            "base_url": self.base_url,
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "hold_back": HOLD_BACK,
            "token_deadline": FAR,
        }
        if self.ca_file:
            values["ca_file"] = self.ca_file
        return ClientSettings(**{**values, **changes})

    def make(self, settings: ClientSettings | None = None, /, **options: Any) -> Caller:
        """A client, to be closed by the caller."""
        face = self.world.face
        make = face.client if self.world.is_sync else face.async_client
        if isinstance(self.sandbox, SandboxApp):
            options.setdefault("transport", self.world.library.ASGITransport(self.sandbox))
        return Caller(make(settings=settings or self.settings(), **options))

    @contextlib.asynccontextmanager
    async def client(self, settings: ClientSettings | None = None, /, **options: Any) -> AsyncGenerator[Caller]:
        client = self.make(settings, **options)
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def clients(self, number: int, settings: ClientSettings | None = None) -> AsyncGenerator[list[Caller]]:
        """Several clients with one token provider between them."""
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.client(settings)) for _ in range(number)]

    async def let_go(self, done: Callable[[], bool]) -> None:
        """End the server's delays, again and again: a request that has just arrived may be about to wait."""
        self.admin.configure(api_delay=0, token_delay=0)

        def let_go() -> bool:
            self.admin.release()
            return done()

        await until(let_go)

    @staticmethod
    def provider(settings: ClientSettings) -> Any:
        """The token provider that all clients of these settings share."""
        return build.pipeline_for(settings).provider


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for what threads or another process bring about."""
    with anyio.fail_after(patience):
        while not condition():  # noqa: ASYNC110 - none of them can set an event here
            await anyio.sleep(0.02)


@contextlib.contextmanager
def does_not_hang() -> Generator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < PATIENCE


async def token_failure(place: Place, client: Caller) -> TokenError:
    """The error that the next call ends with: a clear one, without secrets, and the HTTP library's as well."""
    with does_not_hang(), pytest.raises(place.world.library.TransportError) as caught:
        await client.get(PRODUCT)
    error = caught.value
    assert isinstance(error, TokenError)
    assert (error.client, error.url) == ("shop", f"{place.base_url}/oauth2/token")
    assert all(part in str(error) for part in [error.message, "client 'shop'", f"{place.base_url}/oauth2/token", error.remedy])
    assert_silent(error, [place.account.client_secret])
    return error


async def assert_works_again(place: Place, client: Caller, settings: ClientSettings) -> None:
    """The next call succeeds: the cause is gone. What is held back after a failure is held back no longer."""
    place.provider(settings).deadline = FAR
    await anyio.sleep(2 * HOLD_BACK)
    assert (await client.get(PRODUCT)).status_code == 200
