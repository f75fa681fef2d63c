"""One round: load, disturbances by plan, and the history of it all."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from prio_middleware.sandbox import Admin, Sandbox
from tests.chaos.disturbances import Disturbance
from tests.chaos.history import Arrival, History, Span, numbered
from tests.chaos.leaks import Belongings, overheard
from tests.chaos.load import Crowd
from tests.chaos.schedule import Planned, schedule
from tests.chaos.stage import LIMIT, MARGIN, Stage


class Round(NamedTuple):
    """What came of one.

    Attributes:
        seed: what it can be had again with.
        history: for the checks.
        spans: what went wrong, and when, in seconds of the history's clock.
        token_requests: how many there were.
    """

    seed: str
    history: History
    spans: list[Span]
    token_requests: int


def play(sandbox: Sandbox, disturbances: Sequence[Disturbance], seconds: float, seed: str, size: int) -> Round:
    """Play one round.

    Args:
        sandbox: served from a process of its own.
        disturbances: what may go wrong.
        seconds: how long.
        seed: what is planned comes from it.
        size: callers of each kind, of which there are six.
    """
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, overheard() as said:
        stage = Stage(sandbox, Path(folder), seed)
        belongings = Belongings()
        crowd = Crowd(stage, size)
        crowd.start()
        try:
            spans = _disturb(stage, schedule(disturbances, seconds, seed), seconds)
        finally:
            calls, busy = crowd.stop()
        left = [*busy, *belongings.more(), *said]
    history = History(calls, _arrivals(stage.admin), limit=LIMIT, margin=MARGIN, left=left)
    by_name = {disturbance.name: disturbance for disturbance in disturbances}
    history.outages = [span for span in spans if by_name[span.what].outage]
    history.deaths = [span for span in spans if by_name[span.what].deadly]
    return Round(seed, history, spans, stage.admin.counts().token_requests)


def _disturb(stage: Stage, plan: Sequence[Planned], seconds: float) -> list[Span]:
    """Go through the plan. Returns what happened when: from before something began until after it had ended."""
    start = time.monotonic()
    begun: dict[Planned, float] = {}
    spans: list[Span] = []
    moments = sorted(
        [(each.at, 0, each) for each in plan] + [(each.until, 1, each) for each in plan], key=lambda moment: moment[:2]
    )
    for at, is_end, planned in moments:
        time.sleep(max(0.0, start + at - time.monotonic()))
        if is_end:
            planned.what.end(stage)
            spans.append(Span(planned.what.name, begun[planned], time.monotonic()))
        else:
            begun[planned] = time.monotonic()
            planned.what.begin(stage, random.Random(planned.seed))
    time.sleep(max(0.0, start + seconds - time.monotonic()))
    return spans


def _arrivals(admin: Admin) -> list[Arrival]:
    seen = [request for request in admin.requests() if not request.token_request]
    tokens = numbered(request.authorization for request in seen)
    names = [parse_qs(urlsplit(request.path).query).get("call", [""])[0] for request in seen]
    return [Arrival(name, token, request.status) for name, token, request in zip(names, tokens, seen, strict=True)]
