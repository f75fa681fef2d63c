"""Tokens that expire while calls are made without a pause."""

from __future__ import annotations

from functools import partial

from ...httpx import async_client
from ..calls import until
from ..crews import from_both
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, at_most, exactly
from ..size import Size
from ..stage import PRODUCT, Stage

LOST = "calls without a 200"
LIFETIMES = 2
USED = 0.9  # of its life: then a token is replaced
CALLERS = 10


def expiry_under_load(size: Size) -> Scenario:
    """Threads with httpx2 and tasks with httpx, at the same time."""
    return Scenario(
        "Expiry under load",
        "sync httpx2 + async httpx",
        f"Tokens live for {size.lifetime:g} s. Threads and tasks share them and call for {_seconds(size):g} s without a pause.",
        (at_most(1 + int(LIFETIMES / USED), TOKEN_REQUESTS), exactly(0, LOST)),
        partial(_play, size),
        no_limits="they allow 1,000 requests a minute",
    )


def _seconds(size: Size) -> float:
    return LIFETIMES * size.lifetime


def _play(size: Size, stage: Stage) -> Observed:
    from ...httpx2 import client

    stage.admin.configure(lifetime=size.lifetime)
    settings = stage.settings()
    calls = stage.calls(until(PRODUCT, _seconds(size)))
    from_both(lambda: client(settings=settings), CALLERS, lambda: async_client(settings=settings), CALLERS, calls)
    counts = stage.admin.counts()
    counted = {TOKEN_REQUESTS: counts.token_requests, LOST: calls.made - counts.calls_by_status.get(200, 0)}
    return Observed(counted, calls.pace(), calls.notes())
