"""Clients with and without a budget guard, against a server that blocks a client after 60 responses 4xx in a minute."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import BudgetExceededError
from tests.long.e2e.client_kind import FORBIDDEN, PRODUCT, SOME_OVER_TLS, ClientKind

pytestmark = pytest.mark.anyio

TASKS = 16
CALLS = 6
"""By each task: more in all than the server bears."""

SPENT = "refused here"


async def many_forbidden_calls(kind: ClientKind, **changes: Any) -> list[int | str]:
    """The statuses that callers got, one after another at every task."""
    seen: list[int | str] = []
    kind.admin.configure(limits=True)

    async def call() -> None:
        for _ in range(CALLS):
            try:
                seen.append((await client.get(FORBIDDEN)).status_code)
            except BudgetExceededError:
                seen.append(SPENT)

    async with kind.client(kind.settings(**changes)) as client:
        assert (await client.get(PRODUCT)).status_code == 200
        async with anyio.create_task_group() as group:
            for _ in range(TASKS):
                group.start_soon(call)
    return seen


@pytest.mark.pitfall(id="shut-out")
@pytest.mark.parametrize("kind", [*SOME_OVER_TLS, "httpx-trio in process"], indirect=True)
async def test_a_client_with_a_guard_is_never_shut_out(kind: ClientKind) -> None:
    seen = await many_forbidden_calls(kind, budget_guard={"enforce": True})

    assert set(seen) == {403, SPENT}
    assert kind.admin.counts().blocked == 0


@pytest.mark.parametrize("kind", ["httpx-sync over TLS", "httpx-trio in process"], indirect=True)
async def test_a_client_without_a_budget_guard_is_locked_out(kind: ClientKind) -> None:
    seen = await many_forbidden_calls(kind)

    assert 429 in seen
    assert kind.admin.counts().blocked > 0
