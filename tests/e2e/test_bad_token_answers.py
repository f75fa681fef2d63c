"""Whatever the token endpoint answers: a clear error, no call without its token, and the next call works once that is over."""

from __future__ import annotations

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
from prio_middleware.sandbox import TOKEN_FAULTS
from tests.e2e.place import EVERY_WORLD, PRODUCT, SOME_OVER_TLS, SOME_TRIES, SOON, Place, assert_works_again, token_failure

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
OPTIONS: dict[str, dict[str, Any]] = {
    "slow": {"seconds": 0.05},
    "huge_body": {"size": 2 * MIB},
    "gzip_bomb": {"size": 20 * MIB},
}

UNAVAILABLE = ["too_many_requests", "unavailable", "server_error", "bad_gateway", "drop", "truncated", "stall", "drip"]
CREDENTIALS = ["bare_401", "invalid_client", "invalid_client_400", "secret_echo", "unauthorized_client"]
REFUSED = ["bare_403", "error_under_200", "invalid_grant", "invalid_request", "invalid_scope", "method_not_allowed"]
NO_TOKEN = [
    *(f"redirect_{status}" for status in (301, 302, 303, 307, 308)),
    *("empty", "html", "huge_body", "gzip_bomb", "corrupt_gzip", "invalid_utf8", "no_access_token"),
    *(f"json_{kind}" for kind in ("array", "number", "string", "null", "deep", "huge_number")),
    *(
        f"access_token_{kind}"
        for kind in ("null", "number", "object", "empty", "space", "control", "crlf", "non_ascii", "long")
    ),
    *(f"token_type_{kind}" for kind in ("mac", "crlf", "number")),
]
FINAL: dict[str, type[TokenError]] = {
    **dict.fromkeys(CREDENTIALS, CredentialsRefusedError),
    **dict.fromkeys([*REFUSED, "unsupported_grant_type"], TokenRequestRefusedError),
    **dict.fromkeys(NO_TOKEN, InvalidTokenResponseError),
}
GOOD = ["slow", "no_token_type", "token_type_odd_case", "unasked_gzip"]
"""Odd answers, with a token in them all the same."""


def test_the_tables_know_every_fault() -> None:
    assert {*UNAVAILABLE, *FINAL, *GOOD} == TOKEN_FAULTS.keys()


@pytest.mark.pitfall(id="odd-answers")
@pytest.mark.parametrize("place", EVERY_WORLD, indirect=True)
@pytest.mark.parametrize(("fault", "expected"), FINAL.items())
async def test_an_answer_that_will_not_do(place: Place, fault: str, expected: type[TokenError]) -> None:
    await assert_told_and_over(place, fault, expected)


@pytest.mark.pitfall(id="no-timeout")
@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", UNAVAILABLE)
async def test_no_answer_until_the_deadline(place: Place, fault: str) -> None:
    await assert_told_and_over(place, fault, TokenEndpointUnavailableError, **SOON)


async def assert_told_and_over(place: Place, fault: str, expected: type[TokenError], **limits: float) -> None:
    # One connection: were it not given back, the next call would get none.
    settings = place.settings(max_connections=1, **limits)
    async with place.client(settings) as client:
        place.admin.fail_tokens(fault, times=None, **OPTIONS.get(fault, {}))
        assert type(await token_failure(place, client)).__name__ == expected.__name__
        assert place.admin.counts().calls == 0

        place.admin.clear_faults()
        place.admin.release()
        await assert_works_again(place, client, settings)
    assert place.admin.counts().calls_without_token == 0


@pytest.mark.parametrize("place", EVERY_WORLD, indirect=True)
@pytest.mark.parametrize("fault", GOOD)
async def test_an_odd_answer_with_a_token(place: Place, fault: str) -> None:
    place.admin.fail_tokens(fault, **OPTIONS.get(fault, {}))
    async with place.client() as client:
        assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().calls_without_token == 0


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_it_is_tried_again_until_the_deadline(place: Place) -> None:
    place.admin.fail_tokens("server_error", times=None)
    async with place.client(place.settings(**SOME_TRIES)) as client:
        assert isinstance(await token_failure(place, client), TokenEndpointUnavailableError)
    assert place.admin.counts().token_requests > 1


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_a_failure_that_passes_is_not_noticed(place: Place) -> None:
    place.admin.fail_tokens("server_error")
    async with place.client() as client:
        assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().token_requests == 2


async def test_a_server_that_asks_for_more_time_than_there_is_gets_it(place: Place) -> None:
    place.admin.fail_tokens("unavailable", retry_after=3600)
    async with place.client() as client:
        for _ in range(3):
            error = await token_failure(place, client)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.retry_after is not None
    assert place.admin.counts().token_requests == 1


async def test_wrong_credentials_are_held_back(place: Place) -> None:
    async with place.client(place.settings(client_secret="not this one", hold_back=3600)) as client:
        errors = [await token_failure(place, client) for _ in range(3)]
    assert [error.code for error in errors] == ["invalid_client"] * 3
    assert place.admin.counts().token_requests == 1


async def test_twenty_callers_hear_of_one_failure_each_by_an_error_of_its_own(place: Place) -> None:
    place.admin.configure(token_delay=0.1)
    place.admin.fail_tokens("invalid_client", times=None)
    errors: list[TokenError] = []
    async with place.client(place.settings(hold_back=3600)) as client:

        async def call() -> None:
            errors.append(await token_failure(place, client))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
    assert len({id(error) for error in errors}) == 20
    assert place.admin.counts().token_requests == 1


@pytest.mark.parametrize(
    ("announced", "requests"), [("null", 1), ('"3600"', 1), ("3600.5", 1), ("", 1), ("86400000", 1), ("0", 2), ("-1", 2)]
)
async def test_a_lifetime_that_will_do(place: Place, announced: str, requests: int) -> None:
    place.admin.configure(expires_in=announced)
    async with place.client() as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200
    assert place.admin.counts().token_requests == requests


@pytest.mark.parametrize("announced", ['"soon"', "[]", "{}", "true", "1e400"])
async def test_a_lifetime_that_is_none(place: Place, announced: str) -> None:
    place.admin.configure(expires_in=announced)
    settings = place.settings()
    async with place.client(settings) as client:
        assert isinstance(await token_failure(place, client), InvalidTokenResponseError)
        place.admin.configure(expires_in=None)
        await assert_works_again(place, client, settings)
