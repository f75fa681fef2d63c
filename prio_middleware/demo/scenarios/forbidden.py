"""An endpoint that this client may not use, asked again and again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice

from ...sandbox import Counts
from ..crews import from_tasks
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, at_most, exactly
from ..size import Size
from ..stage import PRODUCT, Stage

REPORTS = [
    f"/reports/{name}"
    for name in ("daily", "weekly", "monthly", "refunds", "guides", "sales", "stock", "staff", "tax", "audit")
]
ANSWERS = "answers 200, if allowed"
SECOND_TRIES = "second tries once learnt"


def forbidden_endpoint(size: Size) -> Scenario:
    """With httpx2, from tasks."""
    return Scenario(
        "Forbidden endpoint",
        "async httpx2",
        f"{size.callers:,} tasks ask {size.forbidden:,} times for reports, which are refused, and now and then for a product.",
        (at_most(3, TOKEN_REQUESTS), exactly(_allowed(size), ANSWERS), exactly(0, SECOND_TRIES)),
        partial(_play, size),
        calls=_learning(size) + _mixed(size.forbidden),
        no_limits="they allow 60 answers 4xx a minute",
    )


def _learning(size: Size) -> int:
    return _mixed(2 * size.callers)


def _mixed(forbidden: int) -> int:
    """How many calls it takes to have so many forbidden ones among them."""
    return forbidden + forbidden // len(REPORTS)


def _allowed(size: Size) -> int:
    return (2 * size.callers + size.forbidden) // len(REPORTS)


def _play(size: Size, stage: Stage) -> Observed:
    from ...httpx2 import async_client

    settings = stage.settings()
    learning = stage.calls(_paths(_learning(size)))
    from_tasks(lambda: async_client(settings=settings), learning, size.callers)
    before = stage.admin.counts()
    calls = stage.calls(_paths(_mixed(size.forbidden)))
    from_tasks(lambda: async_client(settings=settings), calls, size.callers)
    counted = _counted(before, stage.admin.counts(), size.forbidden)
    return Observed(counted, calls.pace(), learning.notes() + calls.notes())


def _paths(number: int) -> Iterator[str]:
    return islice(cycle([*REPORTS, PRODUCT]), number)


def _counted(before: Counts, after: Counts, forbidden: int) -> dict[str, int]:
    return {
        TOKEN_REQUESTS: after.token_requests,
        ANSWERS: after.calls_by_status.get(200, 0),
        SECOND_TRIES: after.calls_by_status.get(403, 0) - before.calls_by_status.get(403, 0) - forbidden,
    }
