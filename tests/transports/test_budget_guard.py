"""Budget guard in sync and async transports: every request that is sent counts once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import BudgetExceededError, BudgetGuard, CredentialsRefusedError, RetryBlockedError, build
from prio_middleware.middleware.budget_guard import Usage
from tests.transports.matrix import API, BASE, Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio


def guarded_settings(options: dict[str, Any] | None = None, changes: dict[str, Any] | None = None) -> Any:
    return settings(budget_guard={"enforce": True, "client_errors": 5, **(options or {})}, **(changes or {}))


def guarded(
    matrix: MatrixClient, server: Any, *, changes: dict[str, Any] | None = None, **options: Any
) -> tuple[Caller, BudgetGuard]:
    """Return a client and its guard. The first call counts as a token request and a call."""
    own = guarded_settings(options, changes)
    pipeline = build.pipeline_for(own)
    guard = next(component for component in pipeline.components if isinstance(component, BudgetGuard))
    return matrix.client(server, settings=own, follow_redirects=True), guard


async def test_calls_and_token_requests_are_counted(matrix: MatrixClient, server: Server) -> None:
    client, guard = guarded(matrix, server)
    for _ in range(3):
        await client.get()

    assert guard.usage == Usage(client_errors=0, requests=4, in_flight=0)


@pytest.mark.pitfall(id="shut-out")
async def test_both_tries_are_counted(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    client, guard = guarded(matrix, server)
    await client.get()

    assert guard.usage == Usage(client_errors=2, requests=4, in_flight=0)


@pytest.mark.pitfall(id="shut-out")
async def test_every_hop_of_a_redirect_is_counted_also_one_that_returns_without_a_token(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        path = request.url.path
        if path == "/v1/products":
            return matrix.library.Response(302, headers={"location": f"{BASE}/moved"})
        if path == "/v1/moved":
            return matrix.library.Response(302, headers={"location": "https://elsewhere.example/"})
        if path == "/":
            return matrix.library.Response(302, headers={"location": f"{BASE}/home"})
        return matrix.library.Response(404)

    server = Server(matrix, respond=respond)
    client, guard = guarded(matrix, server)
    assert (await client.get()).status_code == 404

    assert [url for _, url, _, _ in server.calls] == [
        f"{BASE}/products",
        f"{BASE}/moved",
        "https://elsewhere.example/",
        f"{BASE}/home",
    ]
    assert server.authorizations[-1] is None
    assert guard.usage == Usage(client_errors=1, requests=1 + 3, in_flight=0)


async def test_calls_with_the_callers_own_authorization_are_counted(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    client, guard = guarded(matrix, server)
    await client.get(headers={"authorization": "Basic own"})

    assert guard.usage == Usage(client_errors=1, requests=1, in_flight=0)


async def test_token_requests_with_an_error_are_counted(matrix: MatrixClient) -> None:
    server = Server(matrix, token=lambda _: server.refuse(401, "invalid_client"))
    client, guard = guarded(matrix, server, changes={"failure_cooldown": 0})
    for _ in range(2):
        with pytest.raises(CredentialsRefusedError):
            await client.get()

    assert guard.usage == Usage(client_errors=2, requests=2, in_flight=0)


async def test_a_token_endpoint_at_another_server_is_not_counted(matrix: MatrixClient, server: Server) -> None:
    client, guard = guarded(matrix, server, changes={"token_url": "https://login.example/token"})
    await client.get()

    assert guard.usage == Usage(client_errors=0, requests=1, in_flight=0)


async def test_a_request_without_an_answer_is_counted_and_no_longer_under_way(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        raise matrix.library.ReadTimeout("slow", request=request)

    client, guard = guarded(matrix, Server(matrix, respond=respond))
    with pytest.raises(matrix.library.ReadTimeout):
        await client.get()

    assert guard.usage == Usage(client_errors=0, requests=2, in_flight=0)


@pytest.mark.parametrize("client_kind", ["httpx-asyncio", "httpx2-trio"])
async def test_a_cancelled_request_is_no_longer_under_way(matrix: MatrixClient, server: Server) -> None:
    inner = matrix.library.MockTransport(server)
    started = anyio.Event()

    class Slow(matrix.library.AsyncBaseTransport):  # type: ignore[name-defined, misc]  # which library's is known at run time
        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path != "/token":
                started.set()
                await anyio.sleep_forever()
            return await inner.handle_async_request(request)

    own = settings(budget_guard={"enforce": True, "client_errors": 5})
    pipeline = build.pipeline_for(own)
    guard = pipeline.components[1]
    client = matrix.caller(matrix.transport(Slow(), pipeline=pipeline))
    async with anyio.create_task_group() as group:
        group.start_soon(client.get)
        await started.wait()
        assert guard.usage.in_flight == 1
        group.cancel_scope.cancel()

    assert guard.usage == Usage(client_errors=0, requests=2, in_flight=0)


async def test_once_the_budget_is_spent_no_byte_leaves(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: matrix.library.Response(404))
    client, guard = guarded(matrix, server)
    for _ in range(5):
        assert (await client.get()).status_code == 404
    sent, rejected = len(server.calls), build.pipeline_for(guarded_settings()).counters.blocked["budget"]
    with pytest.raises(matrix.library.TransportError) as caught:
        await client.get(extensions={"prio": {"scope": "another"}})

    assert isinstance(caught.value, BudgetExceededError)
    assert (caught.value.client, caught.value.url) == ("shop", f"{BASE}/products")
    assert caught.value.retry_after
    assert (len(server.calls), len(server.token_requests)) == (sent, 1)
    assert guard.usage == Usage(client_errors=5, requests=6, in_flight=0)
    assert build.pipeline_for(guarded_settings()).counters.blocked["budget"] == rejected + 1


async def test_calls_to_other_servers_go_on(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: matrix.library.Response(404))
    client, _ = guarded(matrix, server, client_errors=1)
    await client.get()

    assert (await client.get("https://elsewhere.example/")).status_code == 404
    with pytest.raises(BudgetExceededError):
        await client.get(API)


async def test_the_caller_gets_the_refusal_if_the_retry_would_exceed_the_budget(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    client, guard = guarded(matrix, server, client_errors=1)
    counters = build.pipeline_for(guarded_settings({"client_errors": 1})).counters
    counted = counters.reauthentications["budget"]
    response = await client.get()

    assert response.status_code == 401
    assert response.json()["error_reference"] == "REF-1"
    assert counters.reauthentications["budget"] == counted + 1
    reason = response.extensions["prio_middleware.reason"]
    assert isinstance(reason, RetryBlockedError)
    assert "4xx" in reason.message
    assert (reason.client, reason.url, reason.status_code) == ("shop", f"{BASE}/products", 401)
    assert reason.retry_after
    assert len(server.calls) == 1
    assert guard.usage.client_errors == 1


async def test_a_guard_that_only_counts_blocks_nothing(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: matrix.library.Response(404))
    client, guard = guarded(matrix, server, enforce=False)
    for _ in range(10):
        await client.get()

    assert guard.usage.client_errors == 10
