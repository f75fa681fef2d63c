"""Whatever the server does wrong: a clear error within bounded time, nothing sent without its token, and no lasting harm."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import pytest

from prio_middleware import (
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
)
from prio_middleware.sandbox import API_FAULTS, TOKEN_FAULTS, Sandbox, SandboxOptions
from tests.e2e.place import FORBIDDEN, HOLD_BACK, OVER_TLS, PRODUCT, Place, does_not_hang
from tests.transports.world import Caller

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
OPTIONS: dict[str, dict[str, Any]] = {
    "slow": {"seconds": 0.05},
    "huge_body": {"size": 2 * MIB},
    "gzip_bomb": {"size": 20 * MIB},
    "gzip_bomb_refusal": {"size": 20 * MIB},
    "endless_refusal": {"size": 2 * MIB},
}
"""What faults are told, where their defaults would take a while."""

UNAVAILABLE = ["too_many_requests", "unavailable", "server_error", "bad_gateway", "drop", "truncated", "stall", "drip"]
CREDENTIALS = ["bare_401", "invalid_client", "invalid_client_400", "secret_echo", "unauthorized_client"]
REFUSED = ["bare_403", "error_under_200", "invalid_grant", "invalid_request", "invalid_scope", "method_not_allowed"]
NO_TOKEN = [
    *(f"redirect_{status}" for status in (301, 302, 303, 307, 308)),
    *("empty", "html", "huge_body", "gzip_bomb", "corrupt_gzip", "invalid_utf8"),
    *(f"json_{kind}" for kind in ("array", "number", "string", "null", "deep", "huge_number")),
    "no_access_token",
    *(f"access_token_{kind}" for kind in ("null", "number", "object", "empty", "space", "control", "crlf", "non_ascii", "long")),
    *(f"token_type_{kind}" for kind in ("mac", "crlf", "number")),
]
ODD_TOKENS = ["slow", "no_token_type", "token_type_odd_case", "unasked_gzip"]
"""Answers that are unusual, and good."""

TOKEN_ERRORS: dict[str, type[TokenError]] = {
    **dict.fromkeys(UNAVAILABLE, TokenEndpointUnavailableError),
    **dict.fromkeys(CREDENTIALS, CredentialsRefusedError),
    **dict.fromkeys([*REFUSED, "unsupported_grant_type"], TokenRequestRefusedError),
    **dict.fromkeys(NO_TOKEN, InvalidTokenResponseError),
}

FAR, SHORT = {"token_deadline": 60.0}, {"token_deadline": 0.3, "token_timeout": 0.3}


async def failure(place: Place, client: Caller) -> TokenError:
    """The error that a call ends with, which is clear."""
    with does_not_hang(), pytest.raises(place.world.library.TransportError) as caught:
        await client.get(PRODUCT)
    error = caught.value
    assert isinstance(error, TokenError)
    assert (error.client, error.url) == ("shop", f"{place.base_url}/oauth2/token")
    for part in (error.message, "client 'shop'", error.url, error.remedy):
        assert part in str(error)
    assert place.account.client_secret not in str(error)
    assert error.request.url == f"{place.base_url}{PRODUCT}"
    return error


async def assert_works_again(place: Place, client: Caller, settings: Any) -> None:
    """The next call succeeds once the cause is gone and the hold-back over, however busy this machine is."""
    place.provider(settings).deadline = 60.0
    await anyio.sleep(2 * HOLD_BACK)
    assert (await client.get(PRODUCT)).status_code == 200


def test_the_tables_know_every_fault() -> None:
    assert {*TOKEN_ERRORS, *ODD_TOKENS} == TOKEN_FAULTS.keys()
    assert {*ANSWERS, *BROKEN} == API_FAULTS.keys()


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize(("fault", "expected"), TOKEN_ERRORS.items())
async def test_an_answer_without_a_token(place: Place, fault: str, expected: type[TokenError]) -> None:
    # One connection: were it not given back, the next call would wait for it in vain.
    settings = place.settings(max_connections=1, **(SHORT if expected is TokenEndpointUnavailableError else FAR))
    async with place.client(settings) as client:
        place.admin.fail_tokens(fault, times=None, **OPTIONS.get(fault, {}))
        error = await failure(place, client)
        assert type(error).__bases__[0] is expected
        assert place.admin.counts().calls == 0

        place.admin.clear_faults()
        place.admin.release()
        await assert_works_again(place, client, settings)
    assert place.admin.counts().calls_without_token == 0


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", ODD_TOKENS)
async def test_an_odd_answer_with_a_token(place: Place, fault: str) -> None:
    place.admin.fail_tokens(fault, **OPTIONS.get(fault, {}))
    async with place.client() as client:
        assert (await client.get(PRODUCT)).status_code == 200
        assert place.admin.requests()[-1].authorization.startswith("Bearer ")


async def test_a_failure_that_passes_is_not_noticed(place: Place) -> None:
    place.admin.fail_tokens("server_error")
    place.admin.fail_tokens("unavailable", retry_after=0.1)
    async with place.client() as client:
        assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().token_requests == 3


async def test_a_server_that_asks_for_more_time_than_there_is_gets_it(place: Place) -> None:
    place.admin.fail_tokens("unavailable", retry_after=3600)
    async with place.client() as client:
        for _ in range(3):
            error = await failure(place, client)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.retry_after is not None
    assert place.admin.counts().token_requests == 1


async def test_wrong_credentials_are_held_back(place: Place) -> None:
    settings = place.settings(client_secret="not this one", hold_back=3600)
    async with place.client(settings) as client:
        errors = [await failure(place, client) for _ in range(3)]
    assert [error.code for error in errors] == ["invalid_client"] * 3
    assert place.admin.counts().token_requests == 1


async def test_twenty_callers_hear_of_one_failure_each_with_an_error_of_its_own(place: Place) -> None:
    place.admin.configure(token_delay=0.2)
    place.admin.fail_tokens("invalid_client", times=None)
    errors: list[TokenError] = []
    async with place.client(place.settings(hold_back=3600)) as client:

        async def call() -> None:
            errors.append(await failure(place, client))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
    assert len({id(error) for error in errors}) == 20
    assert place.admin.counts().token_requests == 1


@pytest.mark.parametrize("announced", ["null", '"3600"', "3600.5", "", "1e400", "86400000"])
async def test_a_lifetime_that_will_do(place: Place, announced: str) -> None:
    place.admin.configure(expires_in=announced)
    async with place.client() as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().token_requests == 1


@pytest.mark.parametrize("announced", ["0", "-1"])
async def test_a_token_for_one_call(place: Place, announced: str) -> None:
    place.admin.configure(expires_in=announced)
    async with place.client() as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().token_requests == 2


@pytest.mark.parametrize("announced", ['"soon"', "[]", "{}", "true"])
async def test_a_lifetime_that_is_none(place: Place, announced: str) -> None:
    place.admin.configure(expires_in=announced)
    settings = place.settings()
    async with place.client(settings) as client:
        assert isinstance(await failure(place, client), InvalidTokenResponseError)
        place.admin.configure(expires_in=None)
        await assert_works_again(place, client, settings)


# ------------------------------------------------------------------------------------------------------------------ the way there


CERTIFICATES = {"expired": "has expired", "foreign": "self-signed", "wrong_host": "not valid for '127.0.0.1'"}


@pytest.mark.parametrize("place", ["httpx-sync over TLS", "httpx-asyncio over TLS", "httpx2-trio over TLS"], indirect=True)
@pytest.mark.parametrize("certificate", CERTIFICATES)
async def test_a_server_that_cannot_be_trusted(place: Place, certificate: Any) -> None:
    options = SandboxOptions(limits=False)
    with Sandbox(options, certificate=certificate) as broken:
        port = int(broken.url.rpartition(":")[2])
        there = Place(place.world, broken)
        trust = broken.ssl_context()
        settings = there.settings(**SHORT)
        client = there.make(settings, verify=trust)
        error = await failure(there, client)
        assert isinstance(error, TokenEndpointUnavailableError)
        assert "certificate verify failed" in str(error)
        assert broken.admin.counts().token_requests == 0
    with Sandbox(options, port=port) as mended:
        trust.load_verify_locations(mended.ca_file)
        await assert_works_again(there, client, settings)
        await client.close()
