"""Promises that hold with every authorization server."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import CredentialsRefusedError, TokenError, TokenRequestRefusedError
from tests.long.interop.accounts import BASIC, POST, READ, SECRET, WRITE, Account
from tests.long.interop.context import Interop
from tests.transports.matrix import Caller

pytestmark = pytest.mark.anyio

BASIC_OR_POST = pytest.mark.parametrize("account", [BASIC, POST], ids=lambda account: account.method)


async def refused(server: Interop, client: Caller, **options: Any) -> TokenError:
    with pytest.raises(server.matrix.library.TransportError) as caught:
        await client.get("/orders", **options)
    error = caught.value
    assert isinstance(error, TokenError)
    assert server.origin in str(error)
    assert SECRET not in str(error)
    assert server.api.tokens == []
    return error


@pytest.mark.parametrize("way", ["named", "found"])
@BASIC_OR_POST
async def test_one_token_serves_two_calls(server: Interop, account: Account, way: str) -> None:
    async with server.client(server.settings(account, **getattr(server, way))) as client:
        for _ in range(2):
            answer = await client.get("/orders")
            assert (answer.status_code, answer.json()["client_id"]) == (200, account.client_id)

    assert len(server.api.tokens) == 2
    assert len(set(server.api.tokens)) == 1


async def test_each_call_has_the_scope_that_it_asks_for(server: Interop) -> None:
    async with server.client(server.settings()) as client:
        assert (await client.get("/orders")).json()["scope"] == READ
        both = await client.post("/orders", extensions={"prio": {"scope": f"{READ} {WRITE}"}})

    assert (both.status_code, set(both.json()["scope"].split())) == (200, {READ, WRITE})


async def test_a_missing_scope_costs_no_retry(server: Interop) -> None:
    async with server.client(server.settings()) as client:
        answer = await client.post("/orders")

    assert (answer.status_code, answer.headers["www-authenticate"]) == (403, 'Bearer error="insufficient_scope"')
    assert len(server.api.tokens) == 1


async def test_a_revoked_token_is_replaced(server: Interop) -> None:
    async with server.client(server.settings()) as client:
        await client.get("/orders")
        await server.revoke(server.api.tokens[0])
        answer = await client.get("/orders")

    first, again, new = server.api.tokens
    assert answer.status_code == 200
    assert first == again != new


@BASIC_OR_POST
async def test_a_wrong_secret(server: Interop, account: Account) -> None:
    async with server.client(server.settings(account, client_secret="wrong")) as client:
        error = await refused(server, client)

    assert isinstance(error, CredentialsRefusedError)
    assert (error.status_code, error.code) == (401, "invalid_client")


async def test_an_unknown_client(server: Interop) -> None:
    async with server.client(server.settings(client_id="nobody")) as client:
        assert isinstance(await refused(server, client), CredentialsRefusedError)


async def test_credentials_that_are_not_form_encoded(server: Interop) -> None:
    async with server.client(server.settings(basic_encoding="raw")) as client:
        assert isinstance(await refused(server, client), CredentialsRefusedError)


async def test_a_body_in_json_is_not_understood(server: Interop) -> None:
    async with server.client(server.settings(body_format="json")) as client:
        error = await refused(server, client)

    assert isinstance(error, TokenRequestRefusedError)
    assert error.status_code == 400
