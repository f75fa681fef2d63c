"""Kinds of clients, each with a sandbox: in process, or over TLS from another process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import anyio
import pytest

from prio_middleware import TokenError, build
from prio_middleware.build.client_options import trust_of
from prio_middleware.sandbox import Account, Sandbox, SandboxApp
from prio_middleware.settings import ClientSettings
from tests.kinds import CLIENT_KINDS
from tests.long.e2e.leak import assert_silent
from tests.transports.library_privates import transport_of
from tests.transports.matrix import Caller, MatrixClient

OVER_TLS = [f"{matrix} over TLS" for matrix in CLIENT_KINDS]
IN_PROCESS = [f"{matrix} in process" for matrix in CLIENT_KINDS if not matrix.endswith("sync")]
SYNC = [kind for kind in OVER_TLS if "-sync " in kind]
SOME_OVER_TLS = ["httpx-sync over TLS", "httpx-asyncio over TLS", "httpx2-trio over TLS"]
"""Both libraries, both colours, both event loops."""

EVERY_KIND = [*SYNC, "httpx-asyncio over TLS", "httpx-trio in process", "httpx2-asyncio in process", "httpx2-trio over TLS"]
"""Each kind of client once."""

EVERYWHERE = [*SYNC, *IN_PROCESS, "httpx-asyncio over TLS", "httpx2-trio over TLS"]
"""Each kind of client, and async ones both in process and over TLS."""

PRODUCT = "/products/1004"
FORBIDDEN = "/reports/sales"
FAILURE_COOLDOWN = 0.001
FAR = 120.0
"""Seconds until a deadline that no test is meant to meet, however busy the machine."""

PATIENT: dict[str, Any] = dict.fromkeys(("connect_timeout", "read_timeout", "token_deadline", "token_timeout"), FAR)
"""The defaults are for the field. On a busy machine, 64 handshakes at once may take longer than the 10 s that one has there."""

SOON: dict[str, Any] = {"token_deadline": 0.2, "token_timeout": 0.2}
"""For failures that are tried again until the deadline: the first pause would not end before it."""

SOME_TRIES: dict[str, Any] = {"token_deadline": 1.4, "token_timeout": 1.4}
"""The same, with two more tries. By the pauses between them, the last has a second's third at least to meet its failure."""

TIMEOUT = 60.0
"""Seconds after which something hangs. Nothing here takes a tenth of it."""


class ClientKind:
    """A sandbox and clients of one library, colour and event loop.

    Args:
        matrix: library, colour and event loop.
        sandbox: served, or an application to be called in process.
    """

    def __init__(self, matrix: MatrixClient, sandbox: Sandbox | SandboxApp) -> None:
        self.matrix = matrix
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
            "failure_cooldown": FAILURE_COOLDOWN,
            **PATIENT,
        }
        if self.ca_file:
            values["ca_file"] = self.ca_file
        return ClientSettings(**{**values, **changes})

    def make(self, settings: ClientSettings | None = None, /, **options: Any) -> Caller:
        """A client, to be closed by the caller."""
        face = self.matrix.module
        make = face.client if self.matrix.is_sync else face.async_client
        if isinstance(self.sandbox, SandboxApp):
            options.setdefault("transport", self.matrix.library.ASGITransport(self.sandbox))
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

    def provider(self, settings: ClientSettings, **options: Any) -> Any:
        """The token provider that all clients of these settings and options share."""
        if isinstance(self.sandbox, SandboxApp):
            options.setdefault("transport", self.sandbox)
        return build.pipeline_for(settings, trust_of(options, {})).provider


async def until(condition: Callable[[], bool], patience: float = TIMEOUT) -> None:
    """Wait for what threads or another process bring about."""
    with anyio.fail_after(patience):
        while not condition():  # noqa: ASYNC110 - none of them can set an event here
            await anyio.sleep(0.02)


@contextlib.contextmanager
def does_not_hang() -> Generator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < TIMEOUT


async def token_failure(kind: ClientKind, client: Caller) -> TokenError:
    """The error that the next call ends with: a clear one, without secrets, and the HTTP library's as well."""
    with does_not_hang(), pytest.raises(kind.matrix.library.TransportError) as caught:
        await client.get(PRODUCT)
    error = caught.value
    assert isinstance(error, TokenError)
    assert (error.client, error.url) == ("shop", f"{kind.base_url}/oauth2/token")
    assert all(part in str(error) for part in [error.message, "client 'shop'", f"{kind.base_url}/oauth2/token", error.remedy])
    assert_silent(error, [kind.account.client_secret])
    return error


async def assert_works_again(kind: ClientKind, client: Caller, settings: ClientSettings) -> None:
    """The next call succeeds: the cause is gone, and so is the pause after a failure."""
    provider = transport_of(client.client).pipeline.provider
    provider.deadline_seconds = FAR
    provider.replace_credentials(
        provider.endpoint
    )  # New credentials end every pause. So would a second, for each of hundreds of tests.
    assert (await client.get(PRODUCT)).status_code == 200
