"""The token is revoked while a thousand calls are on their way."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ...httpx import client
from ...sandbox import Admin
from ..calls import Calls, marked
from ..crews import from_both
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, at_most, exactly
from ..size import Size
from ..stage import PRODUCT, Stage

IN_FLIGHT = "calls in flight"
ANSWERS = "answers 200"
SENDS = "sends of a single call"
HELD = 45.0  # seconds at most that calls are held in flight: the revocation ends it
POLL = 0.02


def revocation_in_flight(size: Size) -> Scenario:
    """Threads with httpx and tasks with httpx2, at the same time."""
    tasks = size.calls - size.threads
    return Scenario(
        "Revocation in flight",
        "sync httpx + async httpx2",
        f"{size.threads:,} threads and {tasks:,} tasks have a call in flight each. Then their token is revoked.",
        (exactly(size.calls, IN_FLIGHT), exactly(1, TOKEN_REQUESTS), exactly(size.calls, ANSWERS), at_most(2, SENDS)),
        partial(_play, size),
        calls=size.calls,
        no_limits=f"they allow 60 answers 4xx a minute, and this is {size.calls:,} at once",
    )


def _play(size: Size, stage: Stage) -> Observed:
    from ...httpx2 import async_client

    settings = stage.settings(max_keepalive_connections=100)
    with client(settings=settings) as early:
        early.get(PRODUCT)
    stage.admin.reset_counts()
    stage.admin.configure(api_delay=HELD)
    calls = stage.calls(marked(PRODUCT, size.calls))
    with ThreadPoolExecutor(1) as aside:
        in_flight = aside.submit(_revoke, stage, calls, size.calls)
        from_both(
            lambda: client(settings=settings),
            size.threads,
            lambda: async_client(settings=settings),
            size.calls - size.threads,
            calls,
        )
    number, revoked = in_flight.result()
    answered = f"The last call was answered {calls.ended - revoked:.1f} s after the revocation."
    return Observed(_counted(stage.admin, number), answered, calls.notes())


def _revoke(stage: Stage, calls: Calls, number: int) -> tuple[int, float]:
    """Wait until so many calls are in flight, revoke their token, and let them go on. Returns how many there were, and when."""
    admin = stage.admin
    in_flight = 0
    while not calls.over and in_flight < number:
        time.sleep(POLL)
        in_flight = admin.counts().max_concurrent_calls
        stage.audience.say(f", {in_flight:,} in flight")
    revoked = time.perf_counter()
    admin.configure(api_delay=0)
    admin.revoke()
    admin.release()
    stage.audience.say(", revoked")
    return in_flight, revoked


def _counted(admin: Admin, in_flight: int) -> dict[str, int]:
    counts = admin.counts()
    sends = Counter(seen.path for seen in admin.requests() if not seen.token_request)
    return {
        IN_FLIGHT: in_flight,
        TOKEN_REQUESTS: counts.token_requests,
        ANSWERS: counts.calls_by_status.get(200, 0),
        SENDS: max(sends.values(), default=0),
    }
