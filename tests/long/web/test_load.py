"""Several processes under load, and a revocation in the middle of it."""

from __future__ import annotations

import collections
from pathlib import Path

import anyio
import httpx
import pytest

from prio_middleware.sandbox import Sandbox
from tests.web.servers import GUNICORN, TIMEOUT, UVICORN, serving

WORKERS = 4
AT_ONCE = 32
REQUESTS = 600


async def burst(url: str, requests: int, sandbox: Sandbox) -> collections.Counter[int]:
    """Return the results of the requests. The tokens are revoked after half of the responses."""
    statuses: collections.Counter[int] = collections.Counter()
    todo = iter(range(requests))

    async def customer() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as browser:
            for number in todo:
                if number == requests // 2:
                    await anyio.to_thread.run_sync(sandbox.admin.revoke)
                statuses[(await browser.get("/products")).status_code] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(customer)
    return statuses


@pytest.mark.parametrize(
    ("server", "app"),
    [
        pytest.param([*GUNICORN, "--workers", str(WORKERS), "--threads", "8"], "wsgi_app:app", id="gunicorn"),
        pytest.param([*UVICORN, "--workers", str(WORKERS)], "asgi_app:app", id="uvicorn"),
    ],
)
def test_no_request_fails_and_each_process_asks_once_for_each_token(
    sandbox: Sandbox, tmp_path: Path, server: list[str], app: str
) -> None:
    with serving(server, app, sandbox.environment(), tmp_path) as running:
        statuses = anyio.run(burst, running.url, REQUESTS, sandbox)
    assert statuses == {200: REQUESTS}
    assert WORKERS // 2 <= sandbox.admin.counts().token_requests <= 2 * WORKERS
    assert sandbox.admin.counts().calls_without_token == 0


def test_what_was_opened_before_the_fork_is_used_by_its_own_process_only(sandbox: Sandbox, tmp_path: Path) -> None:
    server = [*GUNICORN, "--workers", str(WORKERS), "--threads", "8"]
    with serving(server, "wsgi_app:used_before_the_fork", sandbox.environment(), tmp_path) as running:
        statuses = anyio.run(burst, running.url, 200, sandbox)
    assert statuses == {200: 200}
    assert sandbox.admin.counts().token_requests <= 1 + WORKERS
