"""Every error of the tree, raised through a client: it names the client, the URL and a remedy."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import anyio
import anyio.to_thread
import pytest

from prio_middleware import build, errors
from prio_middleware.errors import (
    BodyNotReplayableError,
    BudgetExceededError,
    CallerAuthorizationError,
    ClientClosedError,
    ConfigurationError,
    CredentialsRefusedError,
    DiscoveryError,
    ForeignOriginError,
    InsecureTransportError,
    InvalidTokenResponseError,
    NewTokenUnavailableError,
    PrioError,
    RetryBlockedError,
    TokenEndpointUnavailableError,
    TokenRequestRefusedError,
    TokenUnchangedError,
    UnknownAccountError,
    UnsupportedProtocolError,
)
from prio_middleware.settings import ClientSettings
from tests.transports.matrix import BASE, TOKEN_URL, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

CALLED = f"{BASE}/products"
ISSUER = "https://login.example"


class Provocation(NamedTuple):
    """Way to cause an error, and its expected attributes.

    Attributes:
        provoke: makes a client do what it must not, or makes its server misbehave, and returns the error.
        url: which it is about.
        remedy: what it must name, for the remedy to be one for this very failure.
    """

    provoke: Callable[[MatrixClient], Awaitable[PrioError]]
    url: str
    remedy: tuple[str, ...]


async def raised(
    matrix: MatrixClient, *, url: str = "/products", own: ClientSettings | None = None, **behaviour: Any
) -> PrioError:
    """Return the error that a call raises with this server."""
    sent = {name: behaviour.pop(name) for name in ("extensions", "headers") if name in behaviour}
    client = matrix.client(Server(matrix, **behaviour), settings=own)
    with pytest.raises(matrix.library.TransportError) as caught:
        await client.get(url, **sent)
    assert isinstance(caught.value, PrioError)
    return caught.value


async def reason(matrix: MatrixClient, server: Server, *, own: ClientSettings | None = None) -> PrioError:
    """Return the reason beside a refusal: the token is revoked before the second call."""
    client = matrix.client(server, settings=own)
    await client.get()
    server.revoke(1)
    response = await client.post("/products")
    assert response.status_code == 401
    found: PrioError = response.extensions["prio_middleware.reason"]
    return found


async def misspelt_option(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, extensions={"prio": {"scoop": "read"}})


async def plain_http(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, url=CALLED.replace("https", "http"))


async def unknown_scheme(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, url="ftp://api.example/v1/products")


async def foreign_origin(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, url="https://elsewhere.example/x", own=settings(foreign_origins="refuse"))


async def own_authorization(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, headers={"Authorization": "Bearer x"}, own=settings(caller_authorization="refuse"))


async def spent_budget(matrix: MatrixClient) -> PrioError:
    client = matrix.client(
        Server(matrix, respond=lambda _: matrix.library.Response(404)),
        settings=settings(budget_guard={"enforce": True, "client_errors": 1}),
    )
    await client.get()
    with pytest.raises(matrix.library.TransportError) as caught:
        await client.get()
    assert isinstance(caught.value, PrioError)
    return caught.value


async def endpoint_down(matrix: MatrixClient) -> PrioError:
    own = settings(token_deadline=0.1, token_timeout=0.1)
    return await raised(matrix, own=own, token=lambda _: matrix.library.Response(503))


async def refused_scope(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, token=lambda _: matrix.library.Response(400, json={"error": "invalid_scope"}))


async def wrong_secret(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))


async def login_page(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, token=lambda _: matrix.library.Response(200, html="<h1>Sign in</h1>"))


async def no_metadata(matrix: MatrixClient) -> PrioError:
    own = ClientSettings(
        preset="rfc6749", name="shop", base_url=BASE, issuer=ISSUER, discovery=True, client_id="shop", client_secret="s"
    )
    return await raised(matrix, own=own, respond=lambda _: matrix.library.Response(404))


async def body_read_once(matrix: MatrixClient) -> PrioError:
    server = Server(matrix)

    class Refusing(matrix.library.BaseTransport, matrix.library.AsyncBaseTransport):  # type: ignore[name-defined, misc]  # at run time
        """Unlike MockTransport, leave the body unread."""

        def handle_request(self, request: Any) -> Any:
            return server.grant() if request.url.path == "/token" else server.refuse()

        async def handle_async_request(self, request: Any) -> Any:
            return self.handle_request(request)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    client = matrix.caller(matrix.transport(Refusing(), pipeline=build.pipeline_for(settings())))
    response = await client.post("/products", content=iter([b"once"]) if matrix.is_sync else pieces())
    found: PrioError = response.extensions["prio_middleware.reason"]
    return found


async def no_new_token(matrix: MatrixClient) -> PrioError:
    server = Server(matrix, token=lambda _: server.grant() if not server.granted else matrix.library.Response(400))
    return await reason(matrix, server)


async def same_token_again(matrix: MatrixClient) -> PrioError:
    return await reason(matrix, Server(matrix, token=lambda _: server_token(matrix)))


def server_token(matrix: MatrixClient) -> Any:
    return matrix.library.Response(200, json={"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600})


async def unknown_account(matrix: MatrixClient) -> PrioError:
    return await raised(matrix, extensions={"prio": {"account": "nobody"}})


async def retry_over_budget(matrix: MatrixClient) -> PrioError:
    return await reason(matrix, Server(matrix), own=settings(budget_guard={"enforce": True, "client_errors": 1}))


async def closed_meanwhile(matrix: MatrixClient) -> PrioError:
    asked, goes_on = threading.Event(), threading.Event()

    def token(_: Any) -> Any:
        asked.set()
        return goes_on.wait(10) if matrix.is_sync else anyio.sleep_forever()

    async def close_it() -> None:
        await anyio.to_thread.run_sync(asked.wait, 10)
        await client.close()

    client = matrix.client(Server(matrix, token=token))
    errors: list[PrioError] = []
    async with anyio.create_task_group() as group:
        group.start_soon(close_it)
        with pytest.raises(matrix.library.TransportError) as caught:
            await client.get()
        goes_on.set()
        assert isinstance(caught.value, PrioError)
        errors.append(caught.value)
    return errors[0]


PROVOCATIONS: dict[type[PrioError], Provocation] = {
    ConfigurationError: Provocation(misspelt_option, CALLED, ("options",)),
    InsecureTransportError: Provocation(plain_http, CALLED.replace("https", "http"), ("https://", "loopback")),
    UnsupportedProtocolError: Provocation(unknown_scheme, "ftp://api.example/v1/products", ("https://", "path")),
    ForeignOriginError: Provocation(foreign_origin, "https://elsewhere.example/x", ("allowed", "another client")),
    CallerAuthorizationError: Provocation(own_authorization, CALLED, ("Remove the header", "replace")),
    BudgetExceededError: Provocation(spent_budget, CALLED, ("retry_after", "4xx")),
    TokenEndpointUnavailableError: Provocation(endpoint_down, TOKEN_URL, ("again", "restart")),
    TokenRequestRefusedError: Provocation(refused_scope, TOKEN_URL, ("scope",)),
    CredentialsRefusedError: Provocation(wrong_secret, TOKEN_URL, ("client id", "secret")),
    InvalidTokenResponseError: Provocation(login_page, TOKEN_URL, ("token URL",)),
    UnknownAccountError: Provocation(unknown_account, CALLED, ("name", "same server")),
    ClientClosedError: Provocation(closed_meanwhile, TOKEN_URL, ("Close", "last call")),
    DiscoveryError: Provocation(no_metadata, ISSUER, ("issuer", "token_url")),
    BodyNotReplayableError: Provocation(body_read_once, CALLED, ("bytes", "again")),
    NewTokenUnavailableError: Provocation(no_new_token, CALLED, ("token endpoint",)),
    TokenUnchangedError: Provocation(same_token_again, CALLED, ("authorization server", "renewal_params")),
    RetryBlockedError: Provocation(retry_over_budget, CALLED, ("again", "new token")),
}
TREE = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PrioError)}
GROUPS = {kind for kind in TREE if kind is PrioError or (kind.__subclasses__() and "default_remedy" not in vars(kind))}
"""Base classes without a remedy of their own."""


def test_every_error_is_provoked() -> None:
    assert PROVOCATIONS.keys() == TREE - GROUPS


async def test_every_error_names_the_client_the_url_and_the_remedy(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for kind, provocation in PROVOCATIONS.items():
        with subtests.test(kind.__name__):
            build.forget()
            error = await provocation.provoke(matrix)

            assert type(error).__name__ == kind.__name__
            assert isinstance(error, kind)
            assert (error.client, error.url) == ("shop", provocation.url)
            assert error.remedy != PrioError.default_remedy
            for word in provocation.remedy:
                assert word in error.remedy
            for part in (error.message, "client 'shop'", provocation.url, error.remedy):
                assert part in str(error)
