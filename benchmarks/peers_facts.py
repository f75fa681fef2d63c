"""Behaviour of this library and its peers against an API in memory: ``python benchmarks/peers_facts.py``.

Each peer is used as its documentation says. Nothing here is timed. ``--markdown`` prints the table of docs/compare.md.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import httpx
import httpx2
import requests
import urllib3
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from azure.core.credentials import AccessTokenInfo
from azure.core.pipeline import AsyncPipeline, Pipeline
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    BearerTokenCredentialPolicy,
    RedirectPolicy,
    SensitiveHeaderCleanupPolicy,
)
from azure.core.pipeline.transport import AsyncHttpResponse, AsyncHttpTransport, HttpRequest, RequestsTransport
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request
from httpx_auth import OAuth2, OAuth2ClientCredentials
from requests.adapters import HTTPAdapter
from requests_oauth2client import OAuth2Client as RequestsOAuth2Client
from requests_oauth2client import OAuth2ClientCredentialsAuth

from prio_middleware import build
from prio_middleware.httpx import async_client, client
from prio_middleware.settings import ClientSettings

API, ELSEWHERE = "https://api.example.com", "https://elsewhere.example"
TOKEN_URL = f"{API}/token"
ID, SECRET = "shop", "s3cret-of-the-shop"
CALLERS, CALLS = 8, 20
FETCH = 0.1
"""Seconds that a token request takes where callers come at once: long enough for all of them to be there."""


@dataclass
class Server:
    """An API and its token endpoint, and a stranger. Counts what it is asked."""

    moved: bool = False
    same: bool = False
    fetch: float = 0.0
    granted: int = 0
    revoked: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    leaked: set[str] = field(default_factory=set)
    loop: int | None = None
    blocked: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def answer(self, url: str, headers: Mapping[str, str], body: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and body."""
        path = url.removeprefix(API)
        authorization = headers.get("Authorization") or headers.get("authorization") or ""
        with self.lock:
            self.asked[path] += 1
        if url.startswith(ELSEWHERE):
            self.leaked |= {"secret" for text in (body, authorization) if SECRET in text or "Basic" in text}
            self.leaked |= {"token" for _ in range("token-" in authorization)}
            return 200, {}, {}
        if path == "/token":
            return (307, {"location": f"{ELSEWHERE}/token"}, {}) if self.moved else (200, {}, self._grant())
        if path == "/away":
            return 302, {"location": f"{ELSEWHERE}/landing"}, {}
        bad = path == "/closed" or authorization in self.revoked or not authorization
        return (401 if bad else 200), {"www-authenticate": 'Bearer error="invalid_token"'} if bad else {}, {}

    def _grant(self) -> dict[str, Any]:
        self.blocked |= threading.get_ident() == self.loop
        time.sleep(self.fetch)
        with self.lock:
            self.granted += 1
            number = 1 if self.same else self.granted
            return {"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 3600}

    def revoke(self) -> None:
        """No token that was granted is good any more."""
        self.revoked |= {f"Bearer token-{number}" for number in range(1, self.granted + 1)}

    def transport(self, library: Any) -> Any:
        """It, below a client of httpx or httpx2."""

        def handle(request: Any) -> Any:
            status, headers, body = self.answer(str(request.url), request.headers, request.content.decode())
            return library.Response(status, headers=headers, json=body)

        async def ahandle(request: Any) -> Any:
            return await asyncio.to_thread(handle, request)

        class Both(library.MockTransport):  # type: ignore[misc]  # which library's is known at run time
            async def handle_async_request(self, request: Any) -> Any:
                await request.aread()
                return await ahandle(request)

        return Both(handle)

    def session(self, session: requests.Session | None = None) -> requests.Session:
        """It, below a session of requests."""
        server = self

        class Adapter(HTTPAdapter):
            def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
                body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
                given = {name: str(value) for name, value in request.headers.items()}
                status, headers, answer = server.answer(str(request.url), given, str(body))
                content = io.BytesIO(json.dumps(answer).encode())
                raw: Any = urllib3.HTTPResponse(content, headers, status, preload_content=False)
                return self.build_response(request, raw)

        session = session or requests.Session()
        session.trust_env = False
        session.mount("https://", Adapter())
        return session


Call = Callable[[str], int]
Shown = Callable[[], str]


@dataclass
class Peer:
    """One way to get tokens.

    Attributes:
        name: with its version.
        make: a client: how to call a URL, and what its parts print.
        amake: how to call a URL from a coroutine, where it can.
    """

    name: str
    make: Callable[[Server], tuple[Call, Shown]]
    amake: Callable[[Server], Callable[[str], Awaitable[int]]] | None = None


def _ours_settings() -> ClientSettings:
    build.forget()
    return ClientSettings(preset="rfc6749", base_url=API, token_url=TOKEN_URL, client_id=ID, client_secret=SECRET)


def ours(server: Server) -> tuple[Call, Shown]:
    """This library."""
    settings = _ours_settings()
    made = client(settings=settings, transport=server.transport(httpx), follow_redirects=True)
    pipeline = build.pipeline_for(settings)
    return lambda url: made.get(url).status_code, lambda: repr([settings, made, pipeline, vars(pipeline.provider)])


def aours(server: Server) -> Callable[[str], Awaitable[int]]:
    """This library in coroutines."""
    made = async_client(settings=_ours_settings(), transport=server.transport(httpx), follow_redirects=True)

    async def call(url: str) -> int:
        return (await made.get(url)).status_code

    return call


AUTHLIB: dict[str, Any] = {
    "client_id": ID,
    "client_secret": SECRET,
    "token_endpoint": TOKEN_URL,
    "grant_type": "client_credentials",
    "token": {"access_token": "none", "token_type": "Bearer", "expires_at": 1},
    "follow_redirects": True,
}
"""It asks for its first token by itself only if it holds one that has expired."""


def authlib(server: Server) -> tuple[Call, Shown]:
    """Authlib's client for httpx2."""
    made: Any = OAuth2Client(**AUTHLIB, transport=server.transport(httpx2))
    return lambda url: int(made.get(url).status_code), lambda: repr([made, made.token_auth])


def aauthlib(server: Server) -> Callable[[str], Awaitable[int]]:
    """The same in coroutines."""
    made: Any = AsyncOAuth2Client(**AUTHLIB, transport=server.transport(httpx2))

    async def call(url: str) -> int:
        return int((await made.get(url)).status_code)

    return call


def _httpx_auth(server: Server) -> OAuth2ClientCredentials:
    OAuth2.token_cache.clear()
    asking = httpx.Client(transport=server.transport(httpx))
    return OAuth2ClientCredentials(TOKEN_URL, ID, SECRET, client=asking)


def httpx_auth(server: Server) -> tuple[Call, Shown]:
    """httpx-auth."""
    auth = _httpx_auth(server)
    made = httpx.Client(auth=auth, transport=server.transport(httpx), follow_redirects=True)
    return lambda url: made.get(url).status_code, lambda: repr([made, auth])


def ahttpx_auth(server: Server) -> Callable[[str], Awaitable[int]]:
    """The same in coroutines: it fetches tokens with a sync client."""
    made = httpx.AsyncClient(auth=_httpx_auth(server), transport=server.transport(httpx), follow_redirects=True)

    async def call(url: str) -> int:
        return (await made.get(url)).status_code

    return call


def requests_oauth2client(server: Server) -> tuple[Call, Shown]:
    """requests-oauth2client."""
    asking = RequestsOAuth2Client(TOKEN_URL, client_id=ID, client_secret=SECRET, session=server.session())
    auth, session = OAuth2ClientCredentialsAuth(asking), server.session()
    return lambda url: session.get(url, auth=auth).status_code, lambda: repr([asking, auth])


class AzureCredential:
    """azure-core brings the protocol; the grant is the user's own."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """A new token."""
        answer = self._session.post(TOKEN_URL, {"grant_type": "client_credentials"}, auth=(ID, SECRET)).json()
        return AccessTokenInfo(answer["access_token"], int(time.time() + answer["expires_in"]))

    def close(self) -> None:
        """Nothing to close."""


def azure_core(server: Server) -> tuple[Call, Shown]:
    """azure-core's pipeline, with the policies that its own clients have."""
    credential: Any = AzureCredential(server.session())
    policies: list[Any] = [RedirectPolicy(), BearerTokenCredentialPolicy(credential, "read"), SensitiveHeaderCleanupPolicy()]
    pipeline: Any = Pipeline(RequestsTransport(session=server.session(), session_owner=False), policies)
    return lambda url: int(pipeline.run(HttpRequest("GET", url)).http_response.status_code), lambda: repr(policies)


class AsyncAzureCredential(AzureCredential):
    """The same for coroutines."""

    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:  # type: ignore[override]
        """A new token."""
        return await asyncio.to_thread(super().get_token_info, *scopes)


def aazure_core(server: Server) -> Callable[[str], Awaitable[int]]:
    """The asynchronous pipeline; the transport below it is a stand-in for aiohttp's."""

    class Transport(AsyncHttpTransport[Any, Any]):
        async def send(self, request: Any, **_: Any) -> Any:
            response = AsyncHttpResponse(request, None)
            response.status_code, response.headers, _body = await asyncio.to_thread(
                server.answer, request.url, request.headers, ""
            )
            return response

        async def open(self) -> None:
            """Nothing to open."""

        async def close(self) -> None:
            """Nothing to close."""

        async def __aexit__(self, *_: object) -> None:
            await self.close()

    credential: Any = AsyncAzureCredential(server.session())
    policies: list[Any] = [AsyncBearerTokenCredentialPolicy(credential, "read")]
    pipeline: Any = AsyncPipeline(Transport(), policies)

    async def call(url: str) -> int:
        return int((await pipeline.run(HttpRequest("GET", url))).http_response.status_code)

    return call


class GoogleCredentials(Credentials):
    """google-auth brings the base class; the grant is the user's own."""

    def __init__(self, session: requests.Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._session = session

    def refresh(self, request: Any) -> None:
        """Ask for a token."""
        answer = self._session.post(TOKEN_URL, {"grant_type": "client_credentials"}, auth=(ID, SECRET)).json()
        self.token = answer["access_token"]


def google_auth(server: Server) -> tuple[Call, Shown]:
    """google-auth's session."""
    credentials = GoogleCredentials(server.session())
    made: Any = AuthorizedSession(credentials, auth_request=Request(server.session()))  # type: ignore[no-untyped-call]
    server.session(made)
    return lambda url: int(made.get(url).status_code), lambda: repr([made, credentials])


class HandWritten(httpx.Auth):
    """The token cache that most applications have: a token, its end, and once more after a 401."""

    requires_response_body = True

    def __init__(self) -> None:
        self.token: str | None = None
        self.end = 0.0

    def auth_flow(self, request: httpx.Request) -> Any:
        """Ask if there is none, and once more after a 401."""
        if self.token is None or time.time() > self.end:
            self._keep((yield self._ask()))
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            self._keep((yield self._ask()))
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    def _ask(self) -> httpx.Request:
        return httpx.Request("POST", TOKEN_URL, data={"grant_type": "client_credentials", "client_secret": SECRET})

    def _keep(self, response: httpx.Response) -> None:
        answer = response.json()
        self.token, self.end = answer["access_token"], time.time() + answer["expires_in"] - 30


def hand_written(server: Server) -> tuple[Call, Shown]:
    """A cache of the subject's own."""
    auth = HandWritten()
    made = httpx.Client(auth=auth, transport=server.transport(httpx), follow_redirects=True)
    return lambda url: made.get(url).status_code, lambda: repr([made, auth])


def ahand_written(server: Server) -> Callable[[str], Awaitable[int]]:
    """The same in coroutines."""
    made = httpx.AsyncClient(auth=HandWritten(), transport=server.transport(httpx), follow_redirects=True)

    async def call(url: str) -> int:
        return (await made.get(url)).status_code

    return call


PEERS = (
    Peer("prio-middleware", ours, aours),
    Peer(f"Authlib {version('authlib')}", authlib, aauthlib),
    Peer(f"httpx-auth {version('httpx-auth')}", httpx_auth, ahttpx_auth),
    Peer(f"requests-oauth2client {version('requests-oauth2client')}", requests_oauth2client),
    Peer(f"azure-core {version('azure-core')}", azure_core, aazure_core),
    Peer(f"google-auth {version('google-auth')}", google_auth),
    Peer("hand-written httpx.Auth", hand_written, ahand_written),
)


def stampede(peer: Peer) -> str:
    """Token requests that threads without a token make."""
    server = Server(fetch=FETCH)
    call, _ = peer.make(server)
    barrier = threading.Barrier(CALLERS)

    def call_with_all(url: str) -> int:
        barrier.wait()
        return call(url)

    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(call_with_all, [f"{API}/products"] * CALLERS)) == {200}
    return str(server.granted)


def task_stampede(peer: Peer) -> str:
    """Token requests that tasks without a token make, and whether the event loop stood still meanwhile."""
    if peer.amake is None:
        return "no asyncio"
    server, call = Server(fetch=FETCH), peer.amake

    async def run() -> None:
        server.loop = threading.get_ident()
        send = call(server)
        assert set(await asyncio.gather(*[send(f"{API}/products") for _ in range(CALLERS)])) == {200}

    asyncio.run(run())
    return f"{server.granted}{', blocks the loop' if server.blocked else ''}"


def revoked(peer: Peer) -> str:
    """Results of the next two calls after the token was revoked."""
    server = Server()
    call, _ = peer.make(server)
    call(f"{API}/products")
    server.revoke()
    return ", then ".join(str(_status(call, f"{API}/products")) for _ in range(2))


def closed(peer: Peer) -> str:
    """Token requests and sends that calls to a path cost that refuses every token."""
    server = Server()
    call, _ = peer.make(server)
    call(f"{API}/products")
    for _ in range(CALLS):
        _status(call, f"{API}/closed")
    return f"{server.granted - 1}, {server.asked['/closed']}"


def unchanged(peer: Peer) -> str:
    """Token requests and sends of calls while the token endpoint returns the token that was revoked."""
    server = Server(same=True)
    call, _ = peer.make(server)
    call(f"{API}/products")
    server.revoke()
    for _ in range(CALLS):
        _status(call, f"{API}/products")
    return f"{server.granted - 1}, {server.asked['/products'] - 1}"


def redirected(peer: Peer) -> str:
    """Headers that another host gets by a redirect of the API."""
    return _leak(peer, f"{API}/away")


def absolute(peer: Peer) -> str:
    """Headers that another host gets when its URL is called."""
    return _leak(peer, f"{ELSEWHERE}/page")


def moved(peer: Peer) -> str:
    """Data that another host gets by a redirect of the token endpoint."""
    return _leak(peer, f"{API}/products", Server(moved=True))


def shown(peer: Peer) -> str:
    """True if ``repr`` of its objects shows the secret or a token."""
    server = Server()
    call, show = peer.make(server)
    call(f"{API}/products")
    text = show()
    found = [what for what, mark in (("secret", SECRET), ("token", "token-1")) if mark in text]
    return ", ".join(found) or "nothing"


def _leak(peer: Peer, url: str, server: Server | None = None) -> str:
    server = server or Server()
    call, _ = peer.make(server)
    _status(call, url)
    return ", ".join(sorted(server.leaked)) or "nothing"


def _status(call: Call, url: str) -> int | str:
    try:
        return call(url)
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        return type(error).__name__


FACTS: Mapping[str, Callable[[Peer], str]] = {
    f"token requests of {CALLERS} threads at once": stampede,
    f"token requests of {CALLERS} tasks at once": task_stampede,
    "two calls after a revocation": revoked,
    f"{CALLS} calls that are always refused: token requests, sends": closed,
    f"{CALLS} calls while the revoked token is granted again: token requests, sends": unchanged,
    "a redirect to another host hands over": redirected,
    "a call of another host's URL hands over": absolute,
    "a redirect of the token request hands over": moved,
    "repr() of its objects shows": shown,
}


def table() -> dict[str, dict[str, str]]:
    """Every fact of every peer."""
    return {title: {peer.name: fact(peer) for peer in PEERS} for title, fact in FACTS.items()}


def markdown() -> str:
    """The same as the table of docs/compare.md."""
    lines = [["", *(peer.name for peer in PEERS)], ["---"] * (len(PEERS) + 1)]
    lines += [[title, *row.values()] for title, row in table().items()]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def plain() -> str:
    """The same for a terminal."""
    return "".join(
        f"{title}\n" + "".join(f"    {name:<32}{value}\n" for name, value in row.items()) for title, row in table().items()
    )


if __name__ == "__main__":
    print(markdown() if "--markdown" in sys.argv else plain(), end="")
