"""A body that can be sent once only, and a token that was revoked meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...httpx import async_client
from ..event_loop import run_async
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from ..stage import Stage

PATH = "/echo"
REFUSED = "answers 403"
NEXT = "answers 200, next call"


def one_way_body() -> Scenario:
    """With httpx, async."""
    return Scenario(
        "One-way body",
        "async httpx",
        "A generator, sent with a token that was revoked, cannot be sent again: the caller gets the refusal and the reason.",
        (exactly(1, REFUSED), exactly(1, NEXT), exactly(2, TOKEN_REQUESTS)),
        _play,
    )


def _play(stage: Stage) -> Observed:
    reason = run_async(_upload, stage)
    counts = stage.admin.counts()
    statuses = counts.calls_by_route.get(PATH, {})
    counted = {REFUSED: statuses.get(403, 0), NEXT: statuses.get(200, 0), TOKEN_REQUESTS: counts.token_requests}
    return Observed(counted, notes=(f"{type(reason).__name__}: {reason}",))


async def _upload(stage: Stage) -> object:
    async with async_client(settings=stage.settings()) as client:
        await client.get("/products")
        stage.admin.revoke()
        refused = await client.post(PATH, content=_body())
        await client.post(PATH, content=_body())
        return refused.extensions.get("prio_middleware.reason")


async def _body() -> AsyncIterator[bytes]:
    for line in range(3):
        yield b"line %d\n" % line
