"""What the token endpoint answers, and what the next calls make of it. Each answer by itself: ``tests/e2e/faults/table.py``."""

from __future__ import annotations

import anyio
import pytest

from prio_middleware import InvalidTokenResponseError, TokenEndpointUnavailableError, TokenError
from tests.e2e.place import PRODUCT, SOME_OVER_TLS, SOME_TRIES, Place, assert_works_again, token_failure

pytestmark = pytest.mark.anyio


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
