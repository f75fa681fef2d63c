"""Answers of the token endpoint, and the calls after them. Each answer by itself: ``tests/long/e2e/faults/table.py``."""

from __future__ import annotations

import anyio
import pytest

from prio_middleware import TokenEndpointUnavailableError, TokenError, build
from tests.long.e2e.client_kind import PRODUCT, SOME_OVER_TLS, SOME_TRIES, ClientKind, token_failure

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_token_request_is_retried_until_the_deadline(kind: ClientKind) -> None:
    kind.admin.fail_tokens("server_error", times=None)
    async with kind.client(kind.settings(**SOME_TRIES)) as client:
        assert isinstance(await token_failure(kind, client), TokenEndpointUnavailableError)
    assert kind.admin.counts().token_requests > 1


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_failure_that_passes_is_not_noticed(kind: ClientKind) -> None:
    kind.admin.fail_tokens("server_error")
    async with kind.client() as client:
        assert (await client.get(PRODUCT)).status_code == 200
    assert kind.admin.counts().token_requests == 2


async def test_a_server_that_asks_for_more_time_than_there_is_gets_it(kind: ClientKind) -> None:
    kind.admin.fail_tokens("unavailable", retry_after=3600)
    async with kind.client() as client:
        for _ in range(3):
            error = await token_failure(kind, client)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.retry_after is not None
    assert kind.admin.counts().token_requests == 1


async def test_wrong_credentials_cool_down(kind: ClientKind) -> None:
    async with kind.client(kind.settings(client_secret="not this one", failure_cooldown=3600)) as client:
        errors = [await token_failure(kind, client) for _ in range(3)]
    assert [error.code for error in errors] == ["invalid_client"] * 3
    assert kind.admin.counts().token_requests == 1


async def test_twenty_callers_of_one_failed_fetch_get_separate_errors(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=0.1)
    kind.admin.fail_tokens("invalid_client", times=None)
    errors: list[TokenError] = []
    async with kind.client(kind.settings(failure_cooldown=3600)) as client:

        async def call() -> None:
            errors.append(await token_failure(kind, client))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
    assert len({id(error) for error in errors}) == 20
    assert kind.admin.counts().token_requests == 1


LIFETIMES = {
    **dict.fromkeys(("null", '"3600"', "3600.5", "", "86400000"), 1),
    **dict.fromkeys(('"3600s"', '""', '"soon"', "[]", "true", "1e400"), 1),  # The token is as good.
    **dict.fromkeys(("0", "-1"), 1),  # It counts for one second.
}
"""Token requests of two calls, by what is announced."""


@pytest.mark.parametrize("kind", ["httpx-sync over TLS", "httpx2-trio in process"], indirect=True)
async def test_a_lifetime_that_will_do(kind: ClientKind, subtests: pytest.Subtests) -> None:
    for announced, requests in LIFETIMES.items():
        with subtests.test(announced):
            build.forget()
            kind.admin.reset()
            kind.admin.configure(expires_in=announced)
            async with kind.client() as client:
                for _ in range(2):
                    assert (await client.get(PRODUCT)).status_code == 200
            assert kind.admin.counts().token_requests == requests
