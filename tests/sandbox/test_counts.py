from __future__ import annotations

import anyio
import pytest

from prio_middleware.sandbox import Counts, SandboxApp, SandboxOptions, SeenRequest
from prio_middleware.sandbox.counts import Counters

from .helpers import URL, Caller, bearer

pytestmark = pytest.mark.anyio


async def test_what_is_counted(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    await caller.ask(scope="unknown")
    app.admin.fail_tokens("html")
    await caller.ask(app.options.accounts[1])
    await caller.call("GET", "/products", token)
    await caller.call("GET", "/products?page=2", token)
    await caller.call("GET", "/reports/sales", token)
    await caller.send("GET", "/products")
    await caller.send("GET", f"{URL}/echo")

    assert app.admin.counts() == Counts(
        token_requests=3,
        tokens_issued=1,
        token_errors=1,
        token_faults=1,
        token_requests_by_client={app.options.accounts[0].client_id: 2, app.options.accounts[1].client_id: 1},
        calls=5,
        calls_by_status={200: 3, 403: 1, 400: 1},
        calls_by_route={"/products": {200: 2, 400: 1}, "/reports/sales": {403: 1}, "/echo": {200: 1}},
        calls_without_token=2,
        max_concurrent_calls=1,
        client_errors_last_minute=3,
    )


async def test_requests_are_kept_with_what_they_carried(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    headers = {**bearer(token), "App-Name": "shop", "App-Version": "1.2", "Other": "x"}
    await caller.send("GET", "/products?page=2", headers=headers)
    await caller.send("GET", f"{URL}/echo")
    asked, called, echoed = app.admin.requests()

    assert asked.token_request
    assert asked.authorization is not None
    assert asked.authorization.startswith("Basic ")
    assert called == SeenRequest(
        method="GET",
        path=f"{app.base_path}/products?page=2",
        route="/products",
        host="sandbox.test",
        authorization=f"Bearer {token}",
        app_headers={"app-name": "shop", "app-version": "1.2"},
        status=200,
    )
    assert (echoed.route, echoed.authorization, echoed.app_headers) == ("/echo", None, {})


@pytest.mark.parametrize("options", [SandboxOptions(api_delay=3600)])
async def test_simultaneous_calls_are_counted(caller: Caller, app: SandboxApp) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(caller.send, "GET", "/system/ping")
        await anyio.wait_all_tasks_blocked()
        app.admin.release()

    assert app.admin.counts().max_concurrent_calls == 5


async def test_counts_start_again(caller: Caller, app: SandboxApp) -> None:
    await caller.call("GET", "/reports/sales")
    app.admin.reset_counts()

    assert app.admin.counts() == Counts()
    assert app.admin.requests() == []
    assert app.admin.token_requests() == []


def test_routes_beyond_a_bound_are_counted_together() -> None:
    counters = Counters(paths=2)
    for route in ("/a", "/b", "/c", "/d", "/a"):
        counters.answered(SeenRequest("GET", route, route, "", None, {}), 200)

    assert counters.counts(0).calls_by_route == {"/a": {200: 2}, "/b": {200: 1}, "(other)": {200: 2}}
