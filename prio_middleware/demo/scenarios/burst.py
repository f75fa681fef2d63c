"""A burst of calls on an empty cache: everybody needs a token, and one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...httpx import client
from ...settings import ClientSettings
from ..calls import Calls
from ..crews import from_tasks, from_threads
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from ..size import Size
from ..stage import PRODUCT, Stage

ANSWERS = "answers 200"
Crew = Callable[[ClientSettings, Calls], None]


def burst_of_threads(size: Size) -> Scenario:
    """With httpx, from threads."""
    story = (
        f"{size.threads:,} threads make {size.calls:,} calls, through ten clients. No token is known yet. "
        "Clients with equal settings share one token provider."
    )
    return _scenario("Burst, threads", "sync httpx", story, size, partial(_threads, size))


def burst_of_tasks(size: Size) -> Scenario:
    """With httpx2, from tasks."""
    story = f"{size.calls:,} tasks make a call each, in the same way."
    return _scenario("Burst, tasks", "async httpx2", story, size, partial(_tasks, size))


def _scenario(title: str, clients: str, story: str, size: Size, crew: Crew) -> Scenario:
    return Scenario(
        title,
        clients,
        story,
        (exactly(1, TOKEN_REQUESTS), exactly(size.calls, ANSWERS)),
        partial(_play, size, crew),
        calls=size.calls,
        no_limits="they allow 1,000 requests a minute",
    )


def _play(size: Size, crew: Crew, stage: Stage) -> Observed:
    settings = stage.settings(max_connections=size.connections)
    calls = stage.calls([PRODUCT] * size.calls)
    crew(settings, calls)
    counts = stage.admin.counts()
    counted = {TOKEN_REQUESTS: counts.token_requests, ANSWERS: counts.calls_by_status.get(200, 0)}
    return Observed(counted, calls.pace(), calls.notes())


def _threads(size: Size, settings: ClientSettings, calls: Calls) -> None:
    from_threads(lambda: client(settings=settings), calls, size.threads)


def _tasks(size: Size, settings: ClientSettings, calls: Calls) -> None:
    from ...httpx2 import async_client

    from_tasks(lambda: async_client(settings=settings), calls, size.calls)
