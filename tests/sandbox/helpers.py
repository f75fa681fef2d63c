"""A client without this library, which shows each answer of the sandbox unchanged."""

from __future__ import annotations

import base64
import importlib.util
import io
import threading
from pathlib import Path
from typing import Any

import httpx

from prio_middleware.sandbox import Account, Clock, SandboxApp, SandboxOptions

URL = "https://sandbox.test"
CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header as Prio wants it: encoded in base64, and in no other way."""
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Caller:
    """Calls a sandbox in-process."""

    def __init__(self, app: SandboxApp) -> None:
        self.app = app
        self.account = app.options.accounts[0]
        self.base_url = f"{URL}{app.base_path}"
        self.token_url = f"{self.base_url}/oauth2/token"

    async def send(self, method: str, url: str, **request: Any) -> httpx.Response:
        """``url`` is absolute, or below the API's root."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
            return await client.request(method, url, **request)

    async def ask(self, account: Account | None = None, **parameters: str) -> httpx.Response:
        """A token request."""
        whose = account or self.account
        body = {**CLIENT_CREDENTIALS, **parameters}
        return await self.send("POST", self.token_url, json=body, headers=basic(whose.client_id, whose.client_secret))

    async def token(self, account: Account | None = None, **parameters: str) -> str:
        return str((await self.ask(account, **parameters)).json()["access_token"])

    async def call(self, method: str, path: str, token: str | None = None, **request: Any) -> httpx.Response:
        """A call with ``token``, or with a new one."""
        return await self.send(method, path, headers=bearer(token or await self.token()), **request)


def code(response: httpx.Response) -> str:
    """The error code of a refusal."""
    return str(response.json()["error"])


def new_caller(options: SandboxOptions | None = None) -> Caller:
    """A caller of a new sandbox, whose clock stands still."""
    return Caller(SandboxApp(options, Clock(lambda: 1000.0)))


class Output(io.StringIO):
    """Standard output of a program in this process, for a thread that waits until it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self._flushed = threading.Event()

    def flush(self) -> None:
        super().flush()
        self._flushed.set()

    def wait(self) -> str:
        """Return what was written before the first flush."""
        assert self._flushed.wait(60)
        return self.getvalue()


def run_as_main(module: str) -> None:
    """Run ``module`` as ``python -m`` does, in this process."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    program = compile(Path(spec.origin).read_text(), spec.origin, "exec")
    exec(program, {"__name__": "__main__", "__package__": module.rpartition(".")[0]})
