"""Credentials that the server does not accept."""

from __future__ import annotations

import anyio

from ...errors import PrioError
from ..event_loop import run_async
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from ..stage import Stage

CALLS = 20
SENT = "calls to the API"


def wrong_credentials() -> Scenario:
    """With httpx2, async."""
    return Scenario(
        "Wrong credentials",
        "async httpx2",
        f"{CALLS} calls with a wrong secret. Every further token request would be one more answer 4xx.",
        (exactly(1, TOKEN_REQUESTS), exactly(0, SENT)),
        _play,
    )


def _play(stage: Stage) -> Observed:
    errors = run_async(_call, stage)
    counts = stage.admin.counts()
    return Observed({TOKEN_REQUESTS: counts.token_requests, SENT: counts.calls}, notes=tuple(errors[:1]))


async def _call(stage: Stage) -> list[str]:
    from ...httpx2 import async_client

    errors: list[str] = []
    async with async_client(settings=stage.settings(client_secret="not-the-secret")) as client:

        async def call() -> None:
            try:
                await client.get("/products")
            except PrioError as error:
                errors.append(f"{type(error).__name__}: {error}")

        for _ in range(2):
            async with anyio.create_task_group() as group:
                for _ in range(CALLS // 2):
                    group.start_soon(call)
    return errors
