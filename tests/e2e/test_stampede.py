"""However many callers find no token, one of them asks for it, and the others wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from tests.e2e.place import PRODUCT, SYNC, Place
from tests.transports.world import Caller

pytestmark = pytest.mark.anyio


async def at_once(clients: list[Caller], calls: int) -> list[int]:
    """The statuses of ``calls`` that start together, dealt out to the clients."""
    statuses: list[int] = []

    async def call(client: Caller) -> None:
        statuses.append((await client.get(PRODUCT)).status_code)

    async with anyio.create_task_group() as group:
        for number in range(calls):
            group.start_soon(call, clients[number % len(clients)])
    return statuses


def assert_one_token_served(place: Place, statuses: list[int], calls: int) -> None:
    counts = place.admin.counts()
    assert statuses == [200] * calls
    assert (counts.token_requests, counts.calls, counts.calls_without_token) == (1, calls, 0)


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("place", ["httpx-asyncio in process", "httpx2-trio in process"], indirect=True)
async def test_ten_thousand_tasks(place: Place) -> None:
    place.admin.configure(token_delay=0.2)
    async with place.client() as client:
        statuses = await at_once([client], 10_000)

    assert_one_token_served(place, statuses, 10_000)


@pytest.mark.pitfall(id="crowded-pool")
@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("place", ["httpx-trio over TLS", "httpx2-asyncio over TLS"], indirect=True)
async def test_a_thousand_tasks_over_tls_with_ten_clients(place: Place) -> None:
    place.admin.configure(token_delay=0.2)
    async with place.clients(10) as clients:
        statuses = await at_once(clients, 1_000)

    assert_one_token_served(place, statuses, 1_000)


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.parametrize("place", SYNC, indirect=True)
def test_64_threads_over_tls(place: Place) -> None:
    place.admin.configure(token_delay=0.2)
    together = threading.Barrier(64)
    with place.make().client as client, ThreadPoolExecutor(64) as pool:

        def call(_: int) -> Any:
            together.wait()
            return client.get(PRODUCT).status_code

        statuses = list(pool.map(call, range(64)))

    assert_one_token_served(place, statuses, 64)
