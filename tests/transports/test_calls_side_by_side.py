"""Calls that are under way at the same time: none waits for another's answer, and none is carried out twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import tenacity

from tests.transports.world import BASE, Caller, Server, World

pytestmark = pytest.mark.anyio

ASYNC = ["httpx-asyncio", "httpx-trio", "httpx2-asyncio", "httpx2-trio"]
on_every_event_loop = pytest.mark.parametrize("world", ASYNC, indirect=True)


class Patient:
    """An API that leaves calls to ``/slow`` without an answer, and answers all others."""

    def __init__(self, world: World) -> None:
        self.server = Server(world)
        self.asked = anyio.Event()

    async def __call__(self, request: Any) -> Any:
        if request.url.path.endswith("/slow"):
            self.asked.set()
            await anyio.sleep_forever()
        return self.server(request)


@pytest.mark.pitfall(id="lock-across-request")
@on_every_event_loop
async def test_a_call_without_an_answer_holds_up_no_other_nor_does_its_cancellation(world: World) -> None:
    api = Patient(world)
    client = world.client(api)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/slow")
            await api.asked.wait()
            assert (await client.get()).status_code == 200
            group.cancel_scope.cancel()
        assert (await client.get()).status_code == 200


@pytest.mark.pitfall(id="shared-controller")
@on_every_event_loop
async def test_calls_that_are_refused_together_are_each_sent_twice_and_no_more(world: World, server: Server) -> None:
    async def answer(request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return server(request)

    client = world.client(answer)
    urls = [f"{BASE}/products/{number}" for number in range(50)]
    await client.get()
    for revoked in (1, 2):
        server.revoke(revoked)
        server.calls.clear()
        authorizations = await at_once(client, urls)

        assert authorizations == dict.fromkeys(urls, f"Bearer token-{revoked + 1}")
        assert Counter(url for _, url, _, _ in server.calls) == dict.fromkeys(urls, 2)

    assert len(server.token_requests) == 3


async def at_once(client: Caller, urls: list[str]) -> dict[str, str | None]:
    """What each call was answered with in the end, by its URL."""
    authorizations: dict[str, str | None] = {}

    async def call(url: str) -> None:
        authorizations[url] = (await client.get(url)).json().get("authorization")

    async with anyio.create_task_group() as group:
        for url in urls:
            group.start_soon(call, url)
    return authorizations


@pytest.mark.pitfall(id="controller-per-request")
async def test_a_call_that_is_not_refused_makes_no_controller(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.client(server)
    await client.get()
    for controller in ("Retrying", "AsyncRetrying"):
        monkeypatch.delattr(tenacity, controller)

    assert (await client.get()).status_code == 200
    server.revoke(1)
    with pytest.raises(ImportError, match="Retrying"):
        await client.get()
