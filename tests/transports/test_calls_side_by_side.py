"""Calls that are under way at the same time: none waits for another's answer, and none is carried out twice."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
import tenacity

from tests.transports.world import BASE, Server, World

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
    calls = 50
    refusals = 0
    all_refused = anyio.Event()

    async def answer(request: Any) -> Any:
        nonlocal refusals
        response = server(request)
        if response.status_code == 401:
            refusals += 1
            if refusals == calls:
                all_refused.set()
            await all_refused.wait()
        await anyio.lowlevel.checkpoint()
        return response

    client = world.client(answer)
    await client.get()
    server.revoke(1)
    server.calls.clear()
    answers: dict[int, Any] = {}

    async def call(number: int) -> None:
        answers[number] = await client.get(f"/products/{number}")

    async with anyio.create_task_group() as group:
        for number in range(calls):
            group.start_soon(call, number)

    assert {answer.json()["authorization"] for answer in answers.values()} == {"Bearer token-2"}
    assert all(str(answer.request.url) == f"{BASE}/products/{number}" for number, answer in answers.items())
    assert sorted(url for _, url, _, _ in server.calls) == sorted(2 * [f"{BASE}/products/{n}" for n in range(calls)])
    assert len(server.token_requests) == 2


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
