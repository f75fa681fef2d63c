"""Concurrent calls: none waits for another's response, and none runs twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import tenacity

from tests.transports.matrix import BASE, Caller, MatrixClient, Server

pytestmark = pytest.mark.anyio

on_every_event_loop = pytest.mark.parametrize("client_kind", ["httpx-asyncio", "httpx2-trio"])


class Patient:
    """API that never answers ``/slow``, and answers all other calls."""

    def __init__(self, matrix: MatrixClient) -> None:
        self.server = Server(matrix)
        self.asked = anyio.Event()

    async def __call__(self, request: Any) -> Any:
        if request.url.path.endswith("/slow"):
            self.asked.set()
            await anyio.sleep_forever()
        return self.server(request)


@pytest.mark.pitfall(id="lock-across-request")
@on_every_event_loop
async def test_an_unanswered_or_cancelled_call_delays_no_other(matrix: MatrixClient) -> None:
    api = Patient(matrix)
    client = matrix.client(api)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/slow")
            await api.asked.wait()
            assert (await client.get()).status_code == 200
            group.cancel_scope.cancel()
        assert (await client.get()).status_code == 200


@pytest.mark.pitfall(id="shared-controller")
@on_every_event_loop
async def test_calls_that_are_rejected_together_are_each_sent_twice_and_no_more(matrix: MatrixClient, server: Server) -> None:
    async def answer(request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return server(request)

    client = matrix.client(answer)
    urls = [f"{BASE}/products/{number}" for number in range(20)]
    await client.get()
    for revoked in (1, 2):
        server.revoke(revoked)
        server.calls.clear()
        authorizations = await at_once(client, urls)

        assert authorizations == dict.fromkeys(urls, f"Bearer token-{revoked + 1}")
        assert Counter(url for _, url, _, _ in server.calls) == dict.fromkeys(urls, 2)

    assert len(server.token_requests) == 3


async def at_once(client: Caller, urls: list[str]) -> dict[str, str | None]:
    """Return the final response of each call, by URL."""
    authorizations: dict[str, str | None] = {}

    async def call(url: str) -> None:
        authorizations[url] = (await client.get(url)).json().get("authorization")

    async with anyio.create_task_group() as group:
        for url in urls:
            group.start_soon(call, url)
    return authorizations


@pytest.mark.pitfall(id="controller-per-request")
async def test_a_call_that_is_not_rejected_makes_no_controller(
    matrix: MatrixClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = matrix.client(server)
    await client.get()
    for controller in ("Retrying", "AsyncRetrying"):
        monkeypatch.delattr(tenacity, controller)

    assert (await client.get()).status_code == 200
    server.revoke(1)
    with pytest.raises(ImportError, match="Retrying"):
        await client.get()
