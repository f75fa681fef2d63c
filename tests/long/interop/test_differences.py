"""Differences between the authorization servers, and the settings that each needs."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import CredentialsRefusedError, DiscoveryError, TokenError, build
from prio_middleware.settings import ClientSettings
from tests.long.interop.accounts import BASIC, POST, READ, SPACED, SPACED_POST, WRITE
from tests.long.interop.conftest import SERVERS, at
from tests.long.interop.context import Interop
from tests.transports.matrix import MatrixClient

pytestmark = pytest.mark.anyio

DJANGO, AUTHLIB, OIDC = SERVERS


@pytest.fixture
def matrix() -> MatrixClient:
    return MatrixClient("httpx-asyncio")


@pytest.fixture(autouse=True)
def _no_pipelines_of_other_tests() -> None:
    build.forget()


@pytest.fixture
def server(request: pytest.FixtureRequest, matrix: MatrixClient) -> Interop:
    return at(request, request.param, matrix)


def on(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", names, indirect=True)


def outcomes(**expected: object) -> pytest.MarkDecorator:
    cases = [pytest.param(name, outcome, id=name) for name, outcome in expected.items()]
    return pytest.mark.parametrize(("server", "outcome"), cases, indirect=["server"])


async def answer(server: Interop, settings: ClientSettings, **options: Any) -> Any:
    """The API's answer, or the error that there is no token."""
    async with server.client(settings) as client:
        try:
            return await client.get("/orders", **options)
        except TokenError as error:
            return error


@outcomes(django_oauth_toolkit=READ, authlib=READ, oidc_provider=None)
async def test_what_is_granted_to_a_client_that_asks_for_no_scope(server: Interop, outcome: str | None) -> None:
    answered = await answer(server, server.settings(scope=None))

    if outcome is None:
        assert answered.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    else:
        assert answered.json()["scope"] == outcome


@outcomes(django_oauth_toolkit="invalid_scope", authlib="invalid_scope", oidc_provider=None)
async def test_an_unknown_scope_is_refused_or_left_out(server: Interop, outcome: str | None) -> None:
    answered = await answer(server, server.settings(scope=f"{READ} everything"))

    if outcome is None:
        assert answered.json()["scope"] == READ
    else:
        assert (answered.status_code, answered.code) == (400, outcome)


@on(AUTHLIB, OIDC)
@pytest.mark.parametrize("way", ["named", "found"])
async def test_a_key_instead_of_a_secret(server: Interop, way: str) -> None:
    answered = await answer(server, server.signed(**getattr(server, way)))

    assert answered.json()["client_id"] == "signer@example.com"


@on(AUTHLIB, OIDC)
async def test_each_assertion_is_used_once(server: Interop) -> None:
    async with server.client(server.signed()) as client:
        await client.get("/orders")
        await client.get("/orders", extensions={"prio": {"scope": f"{READ} {WRITE}"}})

    assert len(set(server.api.tokens)) == 2


@on(AUTHLIB, OIDC)
async def test_an_assertion_for_another_audience_is_rejected(server: Interop) -> None:
    error = await answer(server, server.signed(assertion_audience="https://elsewhere.example"))

    assert isinstance(error, CredentialsRefusedError)
    assert error.code == "invalid_client"


@on(DJANGO)
async def test_a_key_where_the_server_knows_none(server: Interop) -> None:
    assert isinstance(await answer(server, server.signed()), CredentialsRefusedError)

    error = await answer(server, server.signed(**server.found))
    assert isinstance(error, DiscoveryError)
    assert "client_secret_post, client_secret_basic" in str(error)


@on(*SERVERS)
@pytest.mark.parametrize("encoding", ["form", "raw"])
async def test_a_space_in_the_secret(server: Interop, encoding: str) -> None:
    """Form-encoding makes a plus of it, which Authlib does not undo."""
    answered = await answer(server, server.settings(SPACED, basic_encoding=encoding))

    assert isinstance(answered, CredentialsRefusedError) is (server.name == "Authlib" and encoding == "form")


@on(*SERVERS)
async def test_a_space_in_a_secret_in_the_body(server: Interop) -> None:
    assert (await answer(server, server.settings(SPACED_POST))).status_code == 200


@outcomes(django_oauth_toolkit=True, authlib=False, oidc_provider=True)
@pytest.mark.parametrize("account", [BASIC, POST], ids=lambda account: account.method)
async def test_a_client_that_uses_the_other_of_basic_and_post(server: Interop, outcome: bool, account: Any) -> None:
    other = POST.method if account is BASIC else BASIC.method
    answered = await answer(server, server.settings(account, client_auth=other))

    assert isinstance(answered, CredentialsRefusedError) is not outcome


@outcomes(
    django_oauth_toolkit="401 invalid_client.",
    authlib="401 invalid_client, The client cannot authenticate with methods:",
    oidc_provider="401 invalid_client, client authentication failed.",
)
async def test_the_words_that_a_wrong_secret_is_refused_with(server: Interop, outcome: str) -> None:
    error = await answer(server, server.settings(client_secret="wrong"))

    assert outcome in str(error)


async def after_revocation(server: Interop, settings: ClientSettings, path: str) -> tuple[int, int]:
    """Return the status of a call whose token was revoked, and the number of tokens issued."""
    async with server.client(settings) as client:
        await client.get("/orders")
        assert (await client.get(f"{server.origin}{path}")).status_code == 200
        await server.revoke(server.api.tokens[0])
        refused = await client.get(f"{server.origin}{path}")
        await client.get("/orders")
    return refused.status_code, len(set(server.api.tokens))


@on(DJANGO, AUTHLIB)
async def test_the_api_of_the_server_itself(server: Interop) -> None:
    """Both answer 401 with ``invalid_token``; django-oauth-toolkit where the view asks for RFC 9728's challenge."""
    settings = server.settings(allowed_origins=[server.origin])

    assert await after_revocation(server, settings, "/challenged/orders") == (200, 2)


@on(DJANGO)
async def test_a_403_without_a_code_says_nothing_about_the_token(server: Interop) -> None:
    """By default, its views answer that to a dead token and to a missing scope alike, as Prio does."""
    strict = server.settings(allowed_origins=[server.origin])
    assert await after_revocation(server, strict, "/bare/orders") == (403, 2)

    server.api.tokens.clear()
    lenient = server.settings(allowed_origins=[server.origin], preset="prio", basic_encoding="form", body_format="form")
    assert await after_revocation(server, lenient, "/bare/orders") == (200, 2)


@on(DJANGO, AUTHLIB)
async def test_a_missing_scope_at_the_server_itself(server: Interop) -> None:
    async with server.client(server.settings(allowed_origins=[server.origin])) as client:
        refused = await client.get(f"{server.origin}/challenged/reports")
        await client.get("/orders")
        assert refused.status_code == 403
        assert (await client.get("/orders")).status_code == 200

    assert len(set(server.api.tokens)) == 1
