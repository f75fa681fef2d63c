"""A revoked token is noticed at once and replaced once; a call that is forbidden whatever the token costs next to nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio
import pytest

from tests.e2e.place import FORBIDDEN, PRODUCT, Place, does_not_hang, until
from tests.transports.world import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_garbage_collection")]

IN_FLIGHT = 1_000
TASKS = 100
OPEN_PATHS = [f"/products/{number}" for number in (1001, 1002, 1003, 1004, 2001)]
SUSPENDED = 0.002
"""Seconds that an answer takes. In process, a call that waits for nothing would run to its end before any other starts."""
CLOSED_PATHS = [*(f"/reports/{name}" for name in ("sales", "visits", "refunds", "guests")), "/products/9001"]


async def spread(tasks: int, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    async with anyio.create_task_group() as group:
        for number in range(tasks):
            group.start_soon(work, number)


def sent(place: Place) -> Counter[str]:
    """How often each path was sent; each caller here puts a number of its own into the query."""
    return Counter(seen.path for seen in place.admin.requests() if not seen.token_request)


async def warm(client: Caller, paths: Iterable[str]) -> None:
    for path in paths:
        assert (await client.get(path)).status_code == 200


@pytest.mark.pitfall(id="rejected-token")
@pytest.mark.parametrize("place", ["httpx-asyncio over TLS", "httpx2-trio in process"], indirect=True)
async def test_one_token_request_after_a_revocation_with_a_thousand_requests_in_flight(place: Place) -> None:
    statuses: list[int] = []
    async with place.clients(10) as clients:
        await warm(clients[0], [PRODUCT])
        place.admin.reset_counts()
        place.admin.configure(api_delay=60)

        async def call(number: int) -> None:
            statuses.append((await clients[number % 10].get(PRODUCT, params={"caller": number})).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(spread, IN_FLIGHT, call)
            await until(lambda: place.admin.counts().calls == IN_FLIGHT)
            place.admin.revoke()
            await place.let_go(lambda: len(statuses) == IN_FLIGHT)

    counts = place.admin.counts()
    assert statuses == [200] * IN_FLIGHT
    assert counts.token_requests == 1
    assert counts.max_concurrent_calls >= IN_FLIGHT
    assert counts.calls_by_status == {403: IN_FLIGHT, 200: IN_FLIGHT}
    assert max(sent(place).values()) == 2


@pytest.mark.pitfall(id="always-forbidden")
@pytest.mark.parametrize("place", ["httpx2-trio in process"], indirect=True)
async def test_ten_thousand_forbidden_calls_make_three_token_requests_at_most(place: Place) -> None:
    place.admin.configure(api_delay=SUSPENDED)
    async with place.client() as client:
        await warm(client, OPEN_PATHS[:1])
        paths = itertools.cycle(CLOSED_PATHS)

        async def hammer(calls: int) -> None:
            for _ in range(calls):
                assert (await client.get(next(paths))).status_code == 403

        await spread(TASKS, lambda _: hammer(10))
        learning, asked = place.admin.counts().calls, place.admin.counts().token_requests
        await spread(TASKS, lambda _: hammer(90))

    counts = place.admin.counts()
    assert counts.token_requests <= 3
    # The lesson is learnt: each later call was sent once, and led to no token request.
    assert counts.calls - learning == TASKS * 90
    assert counts.token_requests == asked


@pytest.mark.parametrize("place", ["httpx-asyncio in process", "httpx2-trio in process"], indirect=True)
async def test_revocations_under_forbidden_noise_lose_no_call_whose_path_was_answered_before(place: Place) -> None:
    allowed: list[int] = []
    over = anyio.Event()
    place.admin.configure(api_delay=SUSPENDED)
    async with place.client() as client:
        await warm(client, OPEN_PATHS)

        async def noise(_: int) -> None:
            while not over.is_set():
                assert (await client.get(next(paths))).status_code == 403

        async def work(_: int) -> None:
            for path in OPEN_PATHS * 8:
                response = await client.get(path)
                allowed.append(response.status_code)
                if len(allowed) in (400, 800, 1_200):
                    place.admin.revoke()

        paths = itertools.cycle(CLOSED_PATHS)
        async with anyio.create_task_group() as group:
            group.start_soon(spread, 20, noise)
            await spread(50, work)
            over.set()

    assert allowed == [200] * 2_000
    assert place.admin.counts().token_requests <= 1 + 3 + 3


@pytest.mark.parametrize("place", ["httpx-asyncio over TLS"], indirect=True)
async def test_the_limits_of_the_api_are_kept(place: Place) -> None:
    """More than 60 answers 4xx in a minute block every call: 25 revoked calls and 30 forbidden ones leave room for five."""
    statuses: list[int] = []
    place.admin.configure(limits=True)
    async with place.client() as client:
        await warm(client, [PRODUCT])
        place.admin.configure(api_delay=60)

        async def call(number: int) -> None:
            statuses.append((await client.get(PRODUCT)).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(spread, 25, call)
            await until(lambda: place.admin.counts().calls == 1 + 25)
            place.admin.revoke()
            await place.let_go(lambda: len(statuses) == 25)
        assert statuses == [200] * 25
        for _ in range(30):
            assert (await client.get(FORBIDDEN)).status_code == 403
        assert (await client.get(PRODUCT)).status_code == 200

    counts = place.admin.counts()
    assert counts.blocked == 0
    assert counts.refusals_last_minute <= 25 + 30 + 2
    assert counts.token_requests <= 3


async def test_an_expired_token_is_replaced_without_a_word(place: Place) -> None:
    async with place.client() as client:
        for _ in range(3):
            with does_not_hang():
                assert (await client.get(PRODUCT)).status_code == 200
            place.admin.expire()

    counts = place.admin.counts()
    assert counts.token_requests == 3
    assert counts.calls_by_status == {200: 3, 401: 2}
