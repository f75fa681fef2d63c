"""A server as one kind of client sees it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import anyio.to_thread
import httpx

from prio_middleware.settings import ClientSettings
from tests.long.interop.accounts import BASIC, READ, SIGNER, Account
from tests.long.interop.processes import TIMEOUT, Certificates, Running
from tests.long.interop.resource import Api
from tests.transports.matrix import Caller, MatrixClient


@dataclass(frozen=True)
class Interop:
    """An authorization server, the API that asks it about tokens, and the kind of client to try."""

    name: str
    running: Running
    api: Api
    certificates: Certificates
    signing_key: str
    matrix: MatrixClient

    @property
    def origin(self) -> str:
        parts = urlsplit(self.running.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def found(self) -> dict[str, Any]:
        """Settings of a client that discovers the token endpoint."""
        return {"issuer": self.running.issuer, "discovery": True}

    @property
    def named(self) -> dict[str, Any]:
        """Settings of a client that names the token endpoint."""
        return {"token_url": self.running.metadata["token_endpoint"]}

    def settings(self, account: Account = BASIC, **changes: Any) -> ClientSettings:
        values = {
            "preset": "rfc6749",
            "base_url": self.api.url,
            "client_id": account.client_id,
            "client_secret": account.secret,
            "client_auth": account.method,
            "scope": READ,
            "ca_file": self.certificates.authority,
            "trust_env": False,
            **({} if "discovery" in changes else self.named),
        }
        return ClientSettings(**{**values, **changes})

    def signed(self, **changes: Any) -> ClientSettings:
        """The settings of a client with a key."""
        account = Account(SIGNER, "", "private_key_jwt")
        return self.settings(account, client_secret=None, private_key=self.signing_key, **changes)

    @contextlib.asynccontextmanager
    async def client(self, settings: ClientSettings) -> AsyncGenerator[Caller]:
        make = self.matrix.module.client if self.matrix.is_sync else self.matrix.module.async_client
        caller = Caller(make(settings=settings, timeout=TIMEOUT))
        try:
            yield caller
        finally:
            await caller.close()

    async def revoke(self, token: str, account: Account = BASIC) -> None:
        """As the client would itself (RFC 7009)."""
        await anyio.to_thread.run_sync(self._revoke, token, account)

    def _revoke(self, token: str, account: Account) -> None:
        credentials = (quote_plus(account.client_id), quote_plus(account.secret))
        with httpx.Client(verify=self.certificates.client_context, trust_env=False, timeout=TIMEOUT) as client:
            url = self.running.metadata["revocation_endpoint"]
            answer = client.post(url, data={"token": token}, auth=credentials)
        assert answer.status_code == 200, answer.text
