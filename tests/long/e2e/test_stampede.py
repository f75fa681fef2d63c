"""However many callers find no token, one of them asks for it, and the others wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from tests.long.e2e.client_kind import PRODUCT, SYNC, ClientKind
from tests.transports.matrix import Caller

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


def assert_one_token_served(kind: ClientKind, statuses: list[int], calls: int) -> None:
    counts = kind.admin.counts()
    assert statuses == [200] * calls
    assert (counts.token_requests, counts.calls, counts.calls_without_token) == (1, calls, 0)


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize(
    ("kind", "tasks"),
    [("httpx-asyncio in process", 10_000), ("httpx2-trio in process", 2_000)],
    indirect=["kind"],
)
async def test_ten_thousand_tasks(kind: ClientKind, tasks: int) -> None:
    kind.admin.configure(token_delay=0.2)
    async with kind.client() as client:
        statuses = await at_once([client], tasks)

    assert_one_token_served(kind, statuses, tasks)


@pytest.mark.pitfall(id="crowded-pool")
@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("kind", ["httpx2-asyncio over TLS"], indirect=True)
async def test_a_thousand_tasks_over_tls_with_ten_clients(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=0.2)
    async with kind.clients(10) as clients:
        statuses = await at_once(clients, 1_000)

    assert_one_token_served(kind, statuses, 1_000)


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.parametrize("kind", SYNC, indirect=True)
def test_64_threads_over_tls(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=0.2)
    together = threading.Barrier(64)
    with kind.make().client as client, ThreadPoolExecutor(64) as pool:

        def call(_: int) -> Any:
            together.wait()
            return client.get(PRODUCT).status_code

        statuses = list(pool.map(call, range(64)))

    assert_one_token_served(kind, statuses, 64)
