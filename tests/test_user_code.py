"""Code of a user: components, a token provider and hand-built objects, typed without dummy methods.

``make types`` checks this file with mypy --strict and pyright. Only public names are imported.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import assert_type

import httpx
import httpx2
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from prio_middleware import (
    PRIO_REFUSALS,
    RFC6749_REFUSALS,
    AccessToken,
    AsyncSend,
    Budget,
    BudgetGuard,
    CallerAuthorization,
    CircuitBreaker,
    ClientAuth,
    ClientCounters,
    ClientCredentialsProvider,
    ClientSecretBasic,
    ClientSecretPost,
    Credentials,
    CredentialsSource,
    Discovery,
    Exchange,
    ExpiryPolicy,
    FileStore,
    HeaderInjector,
    HTTPSEnforcer,
    Issuer,
    Keyring,
    MetricsRegistry,
    OriginGuard,
    PathTemplates,
    Pipeline,
    PolicyError,
    PrivateKeyJWT,
    ProcessLimiter,
    RedisAddress,
    RedisStore,
    Refusal,
    RefusalRules,
    RequestHook,
    RequestLike,
    ResponseHook,
    ResponseLike,
    RevocationHandler,
    Secret,
    Send,
    SendObserver,
    SharedStore,
    SharedTokens,
    TokenCache,
    TokenEndpoint,
    TokenError,
    TokenOptions,
    TokenProvider,
    TokenRequest,
    TokenResponse,
    URLLike,
    Verdict,
)
from prio_middleware import httpx as prio_httpx
from prio_middleware import httpx2 as prio_httpx2
from prio_middleware.django import AsyncPrioRequest, PrioRequest
from prio_middleware.httpx import AsyncAuthTransport, AuthTransport, async_token, async_transport, token, transport
from prio_middleware.web import Answer, AsyncClients, Clients, unavailable

API = "https://api.example.com"


class ReadOnly:
    """Request hook only."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.method != "GET":
            raise PolicyError("Blocked: read-only.", client=exchange.client, url=exchange.request.url)
        exchange.headers["X-Path"] = self.path(exchange.request.url)

    def path(self, url: URLLike) -> str:
        return url.path


class RefusalLog:
    """Response hook only, which reads refusals."""

    refusal_statuses = frozenset({401, 403})

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def on_response(self, exchange: Exchange, response: ResponseLike) -> None:
        if exchange.refusal:
            self.refusals.append(exchange.refusal)
            logging.getLogger("shop").info("%s: %s", response.status_code, exchange.refusal.error_reference)


class Expired:
    """Response hook that returns a verdict, with another name for its parameter."""

    refusal_statuses = frozenset({419})

    def on_response(self, call: Exchange, answer: ResponseLike) -> Verdict | None:
        return Verdict.REAUTHENTICATE if answer.status_code == 419 else None


class RequestLog:
    """Send observer only."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bool]] = []
        self.statuses: list[int | None] = []

    def before_send(self, request: RequestLike, *, for_token: bool) -> None:
        self.sent.append((f"{request.method} {request.url.path}", for_token))

    def after_send(self, request: RequestLike, status: int | None) -> None:
        self.statuses.append(status)


class VaultProvider:
    """Token provider that gets tokens elsewhere."""

    def __init__(self) -> None:
        self.dropped: list[AccessToken] = []

    def current(self, options: TokenOptions, rejected: AccessToken | None) -> AccessToken | None:
        return None if rejected else AccessToken(Secret("from the vault"))

    def get_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: Send, *, max_wait: float | None = None
    ) -> AccessToken:
        raise TokenError("The vault has no other token.", remedy="Rotate the token.")

    async def aget_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: AsyncSend, *, max_wait: float | None = None
    ) -> AccessToken:
        return self.get_token(options, rejected, lambda _: TokenResponse(), max_wait=max_wait)

    def invalidate(self, token: AccessToken) -> None:
        self.dropped.append(token)


class HeaderKey:
    """Client authentication of its own kind."""

    method = "header_key"
    client_id = "shop"
    fingerprint = "1"

    def apply(self, token_url: str) -> Credentials:
        return Credentials(headers={"X-Key": "k"}, secrets=(Secret("k"),))

    def digest(self, key: bytes) -> str:
        return hmac.digest(key, b"k", "sha256").hex()


class Rotation:
    """Credentials source."""

    def __init__(self, endpoint: TokenEndpoint) -> None:
        self.endpoint = endpoint

    def __call__(self, *, force: bool) -> TokenEndpoint | None:
        return self.endpoint if force else None


def shared_provider(keyring: Keyring, key: Secret) -> ClientCredentialsProvider:
    """Build a provider with discovery and a shared store. For the type checkers only: the store is an optional dependency."""
    store: SharedStore = RedisStore(RedisAddress(Secret("rediss://redis.example.com")))
    issuer = Issuer("https://login.example.com", (), ())
    return ClientCredentialsProvider(
        TokenEndpoint(url=issuer.identifier, auth=PrivateKeyJWT("shop", key)),
        discovery=Discovery(issuer),
        shared=SharedTokens(store, keyring, circuit=CircuitBreaker()),
    )


def shared_file(path: Path, keyring: Keyring) -> SharedTokens:
    store: SharedStore = FileStore(path)
    return SharedTokens(store, keyring, kind="file")


def hand_built(policy: CallerAuthorization, components: Iterable[RequestHook | ResponseHook] = ()) -> Pipeline:
    """Build a pipeline, with all that its constructors take."""
    auth: ClientAuth = ClientSecretPost("shop", Secret("s"))
    endpoint = TokenEndpoint(url=f"{API}/token", auth=auth, expiry=ExpiryPolicy(), client="shop")
    rotated = TokenEndpoint(url=f"{API}/token", auth=ClientSecretBasic("shop", Secret("t")), client="shop")
    source: CredentialsSource = Rotation(rotated)
    counters = ClientCounters("shop")
    provider = ClientCredentialsProvider(
        endpoint,
        defaults=TokenOptions(scope="orders"),
        credentials_source=source,
        cache=TokenCache(),
        counters=counters,
    )
    rules: RefusalRules = RFC6749_REFUSALS.over({419: frozenset({"expired"})})
    handler = RevocationHandler(rules, limiter=ProcessLimiter(), templates=PathTemplates(["/orders/{order}"]))
    guard = BudgetGuard(API, requests=10, budget=Budget())
    return Pipeline(
        [HTTPSEnforcer(), guard, OriginGuard([API]), handler, *components, provider, HeaderInjector(policy)],
        registry=MetricsRegistry(),
    )


def sync_view(request: PrioRequest) -> HttpResponse:
    products: httpx.Response = request.prio.get("/products")
    berlin: httpx.Client = request.prio_clients["berlin"]
    return HttpResponse(products.text, status=berlin.get("/products").status_code)


async def async_view(request: AsyncPrioRequest) -> HttpResponse:
    products: httpx.Response = await request.prio.get("/products")
    berlin: httpx.AsyncClient = request.prio_clients["berlin"]
    return HttpResponse(products.text, status=(await berlin.get("/products")).status_code)


def django_urls() -> list[URLPattern]:
    return [path("products", sync_view), path("async", async_view)]


def worker(clients: Clients) -> int:
    """Call the API in a task of Celery, say."""
    berlin: httpx.Client = clients["berlin"]
    return berlin.get("/products").status_code


async def async_worker(clients: AsyncClients) -> int:
    berlin: httpx.AsyncClient = clients.here()["berlin"]
    return (await berlin.get("/products")).status_code


def sdk_client() -> httpx.Client:
    inner: AuthTransport = transport("berlin")
    return httpx.Client(transport=inner, base_url=API)


async def bare_headers() -> list[str]:
    inner: AsyncAuthTransport = async_transport()
    await inner.aclose()
    return [token("berlin").authorization(), (await async_token()).authorization()]


def exact_types() -> None:
    """Create each kind of client and transport. For the type checkers only."""
    assert_type(prio_httpx.client("berlin", verify=False), httpx.Client)
    assert_type(prio_httpx.async_client(), httpx.AsyncClient)
    assert_type(prio_httpx2.client("berlin", verify=False), httpx2.Client)
    assert_type(prio_httpx2.async_client(), httpx2.AsyncClient)
    assert_type(prio_httpx2.transport(), prio_httpx2.AuthTransport)
    assert_type(prio_httpx2.async_transport(), prio_httpx2.AsyncAuthTransport)
    assert_type(prio_httpx2.token(), AccessToken)
    prio_httpx.client(nonsense=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def error_handler(error: TokenError) -> tuple[bytes, int, dict[str, str]]:
    """Answer as Flask, Quart and Bottle expect it."""
    response: Answer = unavailable(error)
    return response.body, response.status, response.headers


def last_resort(error: Exception) -> int:
    response = unavailable(error, retry_after=5)
    return response.status if response else 500


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/token":
        return httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    return httpx.Response(int(request.url.params.get("status", "200")), json={"path": request.headers.get("x-path")})


def call(pipeline: Pipeline, path: str, method: str = "GET") -> httpx.Response:
    with httpx.Client(transport=AuthTransport(httpx.MockTransport(answer), pipeline=pipeline)) as client:
        return client.request(method, f"{API}{path}")


def test_components_with_one_hook_each_work_together() -> None:
    provider, refusals, sent = VaultProvider(), RefusalLog(), RequestLog()
    hooks: tuple[RequestHook, ResponseHook, SendObserver, TokenProvider] = ReadOnly(), refusals, sent, provider
    read_only, log, observer, vault = hooks
    pipeline = Pipeline([HTTPSEnforcer(), OriginGuard([API]), read_only, log, Expired(), observer, vault, HeaderInjector()])

    assert call(pipeline, "/orders").json() == {"path": "/orders"}
    assert call(pipeline, "/orders?status=403").status_code == 403
    assert call(pipeline, "/orders?status=419").status_code == 419
    with pytest.raises(PolicyError):
        call(pipeline, "/orders", "POST")
    assert [refusal.status_code for refusal in refusals.refusals] == [403, 419]
    assert sent.sent == [("GET /orders", False)] * 3
    assert sent.statuses == [200, 403, 419]
    assert len(provider.dropped) == 1


def test_all_that_constructors_take_is_exported() -> None:
    assert call(hand_built("keep", [ReadOnly()]), "/orders").json() == {"path": "/orders"}
    assert 401 in PRIO_REFUSALS.statuses
    own: ClientAuth = HeaderKey()
    request: TokenRequest = TokenEndpoint(url=f"{API}/token", auth=own).request(TokenOptions(), 1.0, 0.0)
    assert request.headers["X-Key"] == "k"


def test_a_handler_answers_503() -> None:
    assert error_handler(TokenError("No token.", retry_after=7.0))[2]["Retry-After"] == "7"
    assert [last_resort(TokenError("No token.")), last_resort(ValueError("no"))] == [503, 500]


def test_the_typed_requests_are_requests_of_django() -> None:
    assert issubclass(PrioRequest, HttpRequest)
    assert issubclass(AsyncPrioRequest, HttpRequest)
    assert [str(pattern.pattern) for pattern in django_urls()] == ["products", "async"]
