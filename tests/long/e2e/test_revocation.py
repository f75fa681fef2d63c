"""A revoked token is noticed at once and replaced once; a call that is forbidden whatever the token costs next to nothing."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any

import anyio
import pytest

from prio_middleware import build
from prio_middleware.sandbox import Sandbox
from tests.long.e2e.client_kind import FAR, FORBIDDEN, PRODUCT, ClientKind, does_not_hang, until
from tests.transports.matrix import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_garbage_collection")]

TASKS = 100
OPEN_PATHS = [f"/products/{number}" for number in (1001, 1002, 1003, 1004, 2001)]
SUSPENDED = 0.002
"""Seconds that an answer takes. In process, a call that waits for nothing would run to its end before any other starts."""
CLOSED_PATHS = [*(f"/reports/{name}" for name in ("sales", "visits", "refunds", "guests")), "/products/9001"]


async def spread(tasks: int, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    async with anyio.create_task_group() as group:
        for number in range(tasks):
            group.start_soon(work, number)


def sent(kind: ClientKind) -> Counter[str]:
    """Return the number of sends per path; each caller uses its own number in the query."""
    return Counter(seen.path for seen in kind.admin.requests() if not seen.token_request)


async def warm(client: Caller, paths: Iterable[str]) -> None:
    for path in paths:
        assert (await client.get(path)).status_code == 200


@contextlib.asynccontextmanager
async def unhurried(kind: ClientKind) -> AsyncGenerator[Caller]:
    """Make a client that takes the time to read refusals: a busy machine reads a thousand of them for more than a second."""
    library = kind.matrix.library
    if isinstance(kind.sandbox, Sandbox):
        inner = library.AsyncHTTPTransport(verify=kind.sandbox.ssl_context())
    else:
        inner = library.ASGITransport(kind.sandbox)
    pipeline = build.pipeline_for(kind.settings())
    transport = kind.matrix.module.AsyncAuthTransport(inner, pipeline=pipeline, name="shop", look_ahead=FAR)
    client = Caller(library.AsyncClient(transport=transport, base_url=kind.base_url, timeout=FAR))
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.pitfall(id="rejected-token")
@pytest.mark.parametrize(
    ("kind", "in_flight"), [("httpx2-trio in process", 1_000), ("httpx-asyncio over TLS", 200)], indirect=["kind"]
)
async def test_one_token_request_after_a_revocation_with_a_thousand_requests_in_flight(
    kind: ClientKind, in_flight: int
) -> None:
    statuses: list[int] = []
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(unhurried(kind)) for _ in range(10)]
        await warm(clients[0], [PRODUCT])
        kind.admin.reset_counts()
        kind.admin.configure(api_delay=60)

        async def call(number: int) -> None:
            statuses.append((await clients[number % 10].get(PRODUCT, params={"caller": number})).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(spread, in_flight, call)
            await until(lambda: kind.admin.counts().calls == in_flight)
            kind.admin.revoke()
            await kind.let_go(lambda: len(statuses) == in_flight)

    counts = kind.admin.counts()
    assert statuses == [200] * in_flight
    assert counts.token_requests == 1
    assert counts.max_concurrent_calls >= in_flight
    assert counts.calls_by_status == {403: in_flight, 200: in_flight}
    assert max(sent(kind).values()) == 2


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize("kind", ["httpx2-trio in process"], indirect=True)
async def test_two_thousand_forbidden_calls_make_three_token_requests_at_most(kind: ClientKind) -> None:
    kind.admin.configure(api_delay=SUSPENDED)
    async with kind.client() as client:
        await warm(client, OPEN_PATHS[:1])
        paths = itertools.cycle(CLOSED_PATHS)

        async def hammer(calls: int) -> None:
            for _ in range(calls):
                assert (await client.get(next(paths))).status_code == 403

        await spread(TASKS, lambda _: hammer(10))
        learning, asked = kind.admin.counts().calls, kind.admin.counts().token_requests
        await spread(TASKS, lambda _: hammer(10))

    counts = kind.admin.counts()
    assert counts.token_requests <= 3
    # The path is denied: each later call was sent once, without a token request.
    assert counts.calls - learning == TASKS * 10
    assert counts.token_requests == asked


@pytest.mark.parametrize("kind", ["httpx-asyncio in process"], indirect=True)
async def test_revocations_under_forbidden_noise_lose_no_call_whose_path_was_answered_before(kind: ClientKind) -> None:
    allowed: list[int] = []
    over = anyio.Event()
    kind.admin.configure(api_delay=SUSPENDED)
    async with kind.client() as client:
        await warm(client, OPEN_PATHS)

        async def noise(_: int) -> None:
            while not over.is_set():
                assert (await client.get(next(paths))).status_code == 403

        async def work(_: int) -> None:
            for path in OPEN_PATHS * 8:
                response = await client.get(path)
                allowed.append(response.status_code)
                if len(allowed) in (400, 800, 1_200):
                    kind.admin.revoke()

        paths = itertools.cycle(CLOSED_PATHS)
        async with anyio.create_task_group() as group:
            group.start_soon(spread, 20, noise)
            await spread(50, work)
            over.set()

    assert allowed == [200] * 2_000
    assert kind.admin.counts().token_requests <= 1 + 3 + 3


@pytest.mark.parametrize("kind", ["httpx-asyncio over TLS"], indirect=True)
async def test_the_limits_of_the_api_are_kept(kind: ClientKind) -> None:
    """More than 60 answers 4xx in a minute block every call: 25 revoked calls and 30 forbidden ones leave room for five."""
    statuses: list[int] = []
    kind.admin.configure(limits=True)
    async with kind.client() as client:
        await warm(client, [PRODUCT])
        kind.admin.configure(api_delay=60)

        async def call(number: int) -> None:
            statuses.append((await client.get(PRODUCT)).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(spread, 25, call)
            await until(lambda: kind.admin.counts().calls == 1 + 25)
            kind.admin.revoke()
            await kind.let_go(lambda: len(statuses) == 25)
        assert statuses == [200] * 25
        for _ in range(30):
            assert (await client.get(FORBIDDEN)).status_code == 403
        assert (await client.get(PRODUCT)).status_code == 200

    counts = kind.admin.counts()
    assert counts.blocked == 0
    assert counts.client_errors_last_minute <= 25 + 30 + 2
    assert counts.token_requests <= 3


async def test_an_expired_token_is_replaced_without_a_log_line(kind: ClientKind) -> None:
    async with kind.client() as client:
        for _ in range(3):
            with does_not_hang():
                assert (await client.get(PRODUCT)).status_code == 200
            kind.admin.expire()

    counts = kind.admin.counts()
    assert counts.token_requests == 3
    assert counts.calls_by_status == {200: 3, 401: 2}
