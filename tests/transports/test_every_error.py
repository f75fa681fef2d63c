"""Every error of the tree, as a user of a client meets it: it names the client, the URL and what to do about it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from prio_middleware import build, errors
from prio_middleware.errors import (
    BodyNotReplayableError,
    BudgetExceededError,
    ConfigurationError,
    CredentialsRefusedError,
    DiscoveryError,
    ForeignOriginError,
    InsecureTransportError,
    InvalidTokenResponseError,
    NewTokenUnavailableError,
    PrioError,
    SecondTryRefusedError,
    TokenEndpointUnavailableError,
    TokenRequestRefusedError,
)
from prio_middleware.settings import ClientSettings
from tests.transports.world import BASE, TOKEN_URL, Server, World, settings

pytestmark = pytest.mark.anyio

CALLED = f"{BASE}/products"
ISSUER = "https://login.example"


class Provocation(NamedTuple):
    """How to meet an error, and what it then says.

    Attributes:
        provoke: makes a client do what it must not, or makes its server misbehave, and returns the error.
        url: which it is about.
        remedy: what it must name, for the remedy to be one for this very failure.
    """

    provoke: Callable[[World], Awaitable[PrioError]]
    url: str
    remedy: tuple[str, ...]


async def raised(world: World, *, url: str = "/products", own: ClientSettings | None = None, **behaviour: Any) -> PrioError:
    """The error that a call raises, where the server behaves like this."""
    extensions = behaviour.pop("extensions", {})
    client = world.client(Server(world, **behaviour), settings=own)
    with pytest.raises(world.library.TransportError) as caught:
        await client.get(url, extensions=extensions)
    assert isinstance(caught.value, PrioError)
    return caught.value


async def reason(world: World, server: Server, *, own: ClientSettings | None = None) -> PrioError:
    """The error that stands beside a refusal: the first call's token is revoked before the second call."""
    client = world.client(server, settings=own)
    await client.get()
    server.revoke(1)
    response = await client.post("/products")
    assert response.status_code == 401
    found: PrioError = response.extensions["prio_middleware.reason"]
    return found


async def misspelt_option(world: World) -> PrioError:
    return await raised(world, extensions={"prio": {"scoop": "read"}})


async def plain_http(world: World) -> PrioError:
    return await raised(world, url=CALLED.replace("https", "http"))


async def foreign_origin(world: World) -> PrioError:
    return await raised(world, url="https://elsewhere.example/x", own=settings(foreign_origins="refuse"))


async def spent_budget(world: World) -> PrioError:
    client = world.client(
        Server(world, respond=lambda _: world.library.Response(404)),
        settings=settings(budget_guard={"enforce": True, "client_errors": 1}),
    )
    await client.get()
    with pytest.raises(world.library.TransportError) as caught:
        await client.get()
    assert isinstance(caught.value, PrioError)
    return caught.value


async def endpoint_down(world: World) -> PrioError:
    own = settings(token_deadline=0.1, token_timeout=0.1)
    return await raised(world, own=own, token=lambda _: world.library.Response(503))


async def refused_scope(world: World) -> PrioError:
    return await raised(world, token=lambda _: world.library.Response(400, json={"error": "invalid_scope"}))


async def wrong_secret(world: World) -> PrioError:
    return await raised(world, token=lambda _: world.library.Response(401, json={"error": "invalid_client"}))


async def login_page(world: World) -> PrioError:
    return await raised(world, token=lambda _: world.library.Response(200, html="<h1>Sign in</h1>"))


async def no_metadata(world: World) -> PrioError:
    own = ClientSettings(preset="rfc6749", name="shop", base_url=BASE, discovery=ISSUER, client_id="shop", client_secret="s")
    return await raised(world, own=own, respond=lambda _: world.library.Response(404))


async def body_read_once(world: World) -> PrioError:
    server = Server(world)

    class Refusing(world.library.BaseTransport, world.library.AsyncBaseTransport):  # type: ignore[name-defined, misc]  # at run time
        """Unlike a MockTransport, it leaves the body unread."""

        def handle_request(self, request: Any) -> Any:
            return server.grant() if request.url.path == "/token" else server.refuse()

        async def handle_async_request(self, request: Any) -> Any:
            return self.handle_request(request)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    client = world.caller(world.transport(Refusing(), pipeline=build.pipeline_for(settings())))
    response = await client.post("/products", content=iter([b"once"]) if world.is_sync else pieces())
    found: PrioError = response.extensions["prio_middleware.reason"]
    return found


async def no_new_token(world: World) -> PrioError:
    server = Server(world, token=lambda _: server.grant() if not server.granted else world.library.Response(400))
    return await reason(world, server)


async def second_try_over_budget(world: World) -> PrioError:
    return await reason(world, Server(world), own=settings(budget_guard={"enforce": True, "client_errors": 1}))


PROVOCATIONS: dict[type[PrioError], Provocation] = {
    ConfigurationError: Provocation(misspelt_option, CALLED, ("options",)),
    InsecureTransportError: Provocation(plain_http, CALLED.replace("https", "http"), ("https://", "loopback")),
    ForeignOriginError: Provocation(foreign_origin, "https://elsewhere.example/x", ("allowed", "another client")),
    BudgetExceededError: Provocation(spent_budget, CALLED, ("retry_after", "4xx")),
    TokenEndpointUnavailableError: Provocation(endpoint_down, TOKEN_URL, ("again", "restart")),
    TokenRequestRefusedError: Provocation(refused_scope, TOKEN_URL, ("scope",)),
    CredentialsRefusedError: Provocation(wrong_secret, TOKEN_URL, ("client id", "secret")),
    InvalidTokenResponseError: Provocation(login_page, TOKEN_URL, ("token URL",)),
    DiscoveryError: Provocation(no_metadata, ISSUER, ("issuer", "token_url")),
    BodyNotReplayableError: Provocation(body_read_once, CALLED, ("bytes", "again")),
    NewTokenUnavailableError: Provocation(no_new_token, CALLED, ("token endpoint",)),
    SecondTryRefusedError: Provocation(second_try_over_budget, CALLED, ("again", "new token")),
}
TREE = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PrioError)}
GROUPS = {kind for kind in TREE if kind is PrioError or (kind.__subclasses__() and "default_remedy" not in vars(kind))}
"""What only stands for its branches: it has no remedy of its own because none would fit them all."""


def test_every_error_is_provoked() -> None:
    assert PROVOCATIONS.keys() == TREE - GROUPS


@pytest.mark.parametrize("kind", PROVOCATIONS, ids=lambda kind: kind.__name__)
async def test_it_names_the_client_the_url_and_the_remedy(world: World, kind: type[PrioError]) -> None:
    provocation = PROVOCATIONS[kind]
    error = await provocation.provoke(world)

    assert type(error).__name__ == kind.__name__
    assert isinstance(error, kind)
    assert (error.client, error.url) == ("shop", provocation.url)
    assert error.remedy != PrioError.default_remedy
    for word in provocation.remedy:
        assert word in error.remedy
    for part in (error.message, "client 'shop'", provocation.url, error.remedy):
        assert part in str(error)
