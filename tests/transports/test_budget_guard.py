"""The budget guard in both shells: every request that leaves is counted once, whatever it is for and however it ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import BudgetExceededError, BudgetGuard, CredentialsRefusedError, SecondTryRefusedError, build
from prio_middleware.middleware.budget import Usage
from tests.transports.world import API, BASE, Caller, Server, World, settings

pytestmark = pytest.mark.anyio


def guarded_settings(options: dict[str, Any] | None = None, changes: dict[str, Any] | None = None) -> Any:
    return settings(budget_guard={"enforce": True, "client_errors": 5, **(options or {})}, **(changes or {}))


def guarded(world: World, server: Any, *, changes: dict[str, Any] | None = None, **options: Any) -> tuple[Caller, BudgetGuard]:
    """A client, and its guard. Its first call counts as a token request and a call."""
    own = guarded_settings(options, changes)
    pipeline = build.pipeline_for(own)
    guard = next(component for component in pipeline.components if isinstance(component, BudgetGuard))
    return world.client(server, settings=own, follow_redirects=True), guard


async def test_calls_and_token_requests_are_counted(world: World, server: Server) -> None:
    client, guard = guarded(world, server)
    for _ in range(3):
        await client.get()

    assert guard.usage == Usage(client_errors=0, requests=4, in_flight=0)


@pytest.mark.pitfall(id="shut-out")
async def test_both_tries_are_counted(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    client, guard = guarded(world, server)
    await client.get()

    assert guard.usage == Usage(client_errors=2, requests=4, in_flight=0)


@pytest.mark.pitfall(id="shut-out")
async def test_every_hop_of_a_redirect_is_counted_also_one_that_comes_home_bare(world: World) -> None:
    def respond(request: Any) -> Any:
        path = request.url.path
        if path == "/v1/products":
            return world.library.Response(302, headers={"location": f"{BASE}/moved"})
        if path == "/v1/moved":
            return world.library.Response(302, headers={"location": "https://elsewhere.example/"})
        if path == "/":
            return world.library.Response(302, headers={"location": f"{BASE}/home"})
        return world.library.Response(404)

    server = Server(world, respond=respond)
    client, guard = guarded(world, server)
    assert (await client.get()).status_code == 404

    assert [url for _, url, _, _ in server.calls] == [
        f"{BASE}/products",
        f"{BASE}/moved",
        "https://elsewhere.example/",
        f"{BASE}/home",
    ]
    assert server.authorizations[-1] is None
    assert guard.usage == Usage(client_errors=1, requests=1 + 3, in_flight=0)


async def test_calls_with_the_callers_own_authorization_are_counted(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    client, guard = guarded(world, server)
    await client.get(headers={"authorization": "Basic own"})

    assert guard.usage == Usage(client_errors=1, requests=1, in_flight=0)


async def test_refused_token_requests_are_counted(world: World) -> None:
    server = Server(world, token=lambda _: server.refuse(401, "invalid_client"))
    client, guard = guarded(world, server, changes={"hold_back": 0})
    for _ in range(2):
        with pytest.raises(CredentialsRefusedError):
            await client.get()

    assert guard.usage == Usage(client_errors=2, requests=2, in_flight=0)


async def test_a_token_endpoint_at_another_server_is_not_counted(world: World, server: Server) -> None:
    client, guard = guarded(world, server, changes={"token_url": "https://login.example/token"})
    await client.get()

    assert guard.usage == Usage(client_errors=0, requests=1, in_flight=0)


async def test_a_request_without_an_answer_is_counted_and_no_longer_under_way(world: World) -> None:
    def respond(request: Any) -> Any:
        raise world.library.ReadTimeout("slow", request=request)

    client, guard = guarded(world, Server(world, respond=respond))
    with pytest.raises(world.library.ReadTimeout):
        await client.get()

    assert guard.usage == Usage(client_errors=0, requests=2, in_flight=0)


async def test_a_cancelled_request_is_no_longer_under_way(world: World, server: Server) -> None:
    if world.is_sync:
        pytest.skip("a thread cannot be cancelled")
    inner = world.library.MockTransport(server)
    started = anyio.Event()

    class Slow(world.library.AsyncBaseTransport):  # type: ignore[name-defined, misc]  # which library's is known at run time
        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path != "/token":
                started.set()
                await anyio.sleep_forever()
            return await inner.handle_async_request(request)

    own = settings(budget_guard={"enforce": True, "client_errors": 5})
    pipeline = build.pipeline_for(own)
    guard = pipeline.components[1]
    client = world.caller(world.transport(Slow(), pipeline=pipeline))
    async with anyio.create_task_group() as group:
        group.start_soon(client.get)
        await started.wait()
        assert guard.usage.in_flight == 1
        group.cancel_scope.cancel()

    assert guard.usage == Usage(client_errors=0, requests=2, in_flight=0)


async def test_once_the_budget_is_spent_no_byte_leaves(world: World) -> None:
    server = Server(world, respond=lambda _: world.library.Response(404))
    client, guard = guarded(world, server)
    for _ in range(5):
        assert (await client.get()).status_code == 404
    sent, rejected = len(server.calls), build.pipeline_for(guarded_settings()).tally.rejected["budget"]
    with pytest.raises(world.library.TransportError) as caught:
        await client.get(extensions={"prio": {"scope": "another"}})

    assert isinstance(caught.value, BudgetExceededError)
    assert (caught.value.client, caught.value.url) == ("shop", f"{BASE}/products")
    assert caught.value.retry_after
    assert (len(server.calls), len(server.token_requests)) == (sent, 1)
    assert guard.usage == Usage(client_errors=5, requests=6, in_flight=0)
    assert build.pipeline_for(guarded_settings()).tally.rejected["budget"] == rejected + 1


async def test_calls_to_other_servers_go_on(world: World) -> None:
    server = Server(world, respond=lambda _: world.library.Response(404))
    client, _ = guarded(world, server, client_errors=1)
    await client.get()

    assert (await client.get("https://elsewhere.example/")).status_code == 404
    with pytest.raises(BudgetExceededError):
        await client.get(API)


async def test_where_the_second_try_would_be_too_much_the_caller_gets_the_refusal(world: World) -> None:
    server = Server(world, respond=lambda _: server.refuse())
    client, guard = guarded(world, server, client_errors=1)
    tally = build.pipeline_for(guarded_settings({"client_errors": 1})).tally
    counted = tally.reauthentications["budget"]
    response = await client.get()

    assert response.status_code == 401
    assert response.json()["error_reference"] == "REF-1"
    assert tally.reauthentications["budget"] == counted + 1
    reason = response.extensions["prio_middleware.reason"]
    assert isinstance(reason, SecondTryRefusedError)
    assert "1 of 1 answers 4xx are spent" in reason.message
    assert (reason.client, reason.url, reason.status_code) == ("shop", f"{BASE}/products", 401)
    assert reason.retry_after
    assert len(server.calls) == 1
    assert guard.usage.client_errors == 1


async def test_a_guard_that_only_counts_refuses_nothing(world: World) -> None:
    server = Server(world, respond=lambda _: world.library.Response(404))
    client, guard = guarded(world, server, enforce=False)
    for _ in range(10):
        await client.get()

    assert guard.usage.client_errors == 10


async def test_a_pipeline_without_a_guard_sends_through_the_transport_itself(world: World, server: Server) -> None:
    inner = world.library.MockTransport(server)
    transport = world.transport(inner, pipeline=build.pipeline_for(settings()))
    method = inner.handle_request if world.is_sync else inner.handle_async_request

    assert transport._handle == transport._handle_for_token == method
