"""Tokens that expire while calls are made without a pause."""

from __future__ import annotations

from functools import partial

from ...httpx import async_client
from ..calls import until
from ..crews import from_both
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, at_most, exactly
from ..size import Size
from ..stage import Stage

PATH = "/products/1004"
LOST = "calls without an answer 200"
LIFETIMES = 2
CALLERS = 10


def expiry_under_load(size: Size) -> Scenario:
    """Threads with httpx2 and tasks with httpx, at the same time."""
    return Scenario(
        "Expiry under load",
        "sync httpx2 + async httpx",
        f"Tokens live {size.lifetime:g} s. Threads and tasks, who share them, call for {_seconds(size):g} s without a pause.",
        # Each is replaced when a tenth of its life is left; so there is one at the start, and one at each replacement.
        (at_most(1 + int(LIFETIMES / 0.9), TOKEN_REQUESTS), exactly(0, LOST)),
        partial(_play, size),
        no_limits="there is more than one call every 60 ms",
    )


def _seconds(size: Size) -> float:
    return LIFETIMES * size.lifetime


def _play(size: Size, stage: Stage) -> Observed:
    from ...httpx2 import client

    stage.admin.configure(lifetime=size.lifetime)
    settings = stage.settings()
    calls = stage.calls(until(PATH, _seconds(size)))
    from_both(lambda: client(settings=settings), CALLERS, lambda: async_client(settings=settings), CALLERS, calls)
    counts = stage.admin.counts()
    counted = {TOKEN_REQUESTS: counts.token_requests, LOST: calls.made - counts.calls_by_status.get(200, 0)}
    return Observed(counted, calls.made, calls.seconds, calls.notes())
