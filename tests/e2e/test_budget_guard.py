"""Against a server that shuts out whoever gets more than 60 answers 4xx in a minute: a client with a guard, and one without."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import BudgetExceededError
from tests.e2e.place import FORBIDDEN, PRODUCT, SOME_OVER_TLS, Place

pytestmark = pytest.mark.anyio

TASKS = 16
CALLS = 6
"""By each task: more in all than the server bears."""

SPENT = "refused here"


async def many_forbidden_calls(place: Place, **changes: Any) -> list[int | str]:
    """The statuses that callers got, one after another at every task."""
    seen: list[int | str] = []
    place.admin.configure(limits=True)

    async def call() -> None:
        for _ in range(CALLS):
            try:
                seen.append((await client.get(FORBIDDEN)).status_code)
            except BudgetExceededError:
                seen.append(SPENT)

    async with place.client(place.settings(**changes)) as client:
        assert (await client.get(PRODUCT)).status_code == 200
        async with anyio.create_task_group() as group:
            for _ in range(TASKS):
                group.start_soon(call)
    return seen


@pytest.mark.pitfall(id="shut-out")
@pytest.mark.parametrize("place", [*SOME_OVER_TLS, "httpx-trio in process"], indirect=True)
async def test_a_client_with_a_guard_is_never_shut_out(place: Place) -> None:
    seen = await many_forbidden_calls(place, budget_guard={"enforce": True})

    assert set(seen) == {403, SPENT}
    assert place.admin.counts().blocked == 0


@pytest.mark.parametrize("place", ["httpx-sync over TLS", "httpx-trio in process"], indirect=True)
async def test_the_same_client_without_one_is(place: Place) -> None:
    seen = await many_forbidden_calls(place)

    assert 429 in seen
    assert place.admin.counts().blocked > 0
