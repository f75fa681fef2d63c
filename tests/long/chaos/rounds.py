"""One round: load, disturbances by plan, and the history of it all."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from prio_middleware import build
from prio_middleware.sandbox import Admin, Sandbox
from tests.long.chaos.context import LIMIT, MARGIN, ChaosContext, account_of
from tests.long.chaos.disturbances import STORE, Disturbance
from tests.long.chaos.history import Arrival, History, Span, numbered
from tests.long.chaos.leaks import Belongings, overheard
from tests.long.chaos.load import Crowd
from tests.long.chaos.schedule import Planned, schedule
from tests.redis_servers import BINARIES, serve


class Round(NamedTuple):
    """Result of a round.

    Attributes:
        seed: the seed that repeats it.
        history: the input of the checks.
        spans: disturbances with their times, in seconds of the history's clock.
        token_requests: their number.
        store: the store of the clients' tokens; empty without one.
    """

    seed: str
    history: History
    spans: list[Span]
    token_requests: int
    store: str = ""


def play(sandbox: Sandbox, disturbances: Sequence[Disturbance], seconds: float, seed: str, size: int) -> Round:
    """Play one round.

    Args:
        sandbox: served from a process of its own.
        disturbances: what may go wrong.
        seconds: how long.
        seed: what is planned comes from it.
        size: callers of each kind, of which there are six.
    """
    with contextlib.ExitStack() as end:
        folder = Path(end.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        said = end.enter_context(overheard())
        binary = store_of(seed)
        context = ChaosContext(sandbox, folder, seed, end.enter_context(serve(binary, folder)) if binary else None)
        if not context.store:
            disturbances = [each for each in disturbances if each.lane != STORE]
        belongings = Belongings()
        crowd = Crowd(context, size)
        crowd.start()
        try:
            spans = _disturb(context, schedule(disturbances, seconds, seed), seconds)
        finally:
            calls, busy = crowd.stop()
        build.forget()  # the subscriber of the store stops with its last provider
        left = [*busy, *belongings.more(), *said]
    history = History(calls, _arrivals(context.admin), limit=LIMIT, margin=MARGIN, left=left)
    by_name = {disturbance.name: disturbance for disturbance in disturbances}
    history.outages = [span for span in spans if by_name[span.what].outage]
    history.leaps = [span for span in spans if by_name[span.what].leap]
    history.deaths = [span for span in spans if by_name[span.what].deadly]
    return Round(seed, history, spans, context.admin.counts().token_requests, binary)


def store_of(seed: str) -> str:
    """The server in which tokens are shared in that round: in every other round, where one is installed; else none."""
    binaries = installed()
    return random.Random(f"store {seed}").choice([*binaries, *[""] * len(binaries)] or [""])


def installed() -> list[str]:
    """The servers there are to share tokens in."""
    return [binary for binary in BINARIES if shutil.which(binary)]


def _disturb(context: ChaosContext, plan: Sequence[Planned], seconds: float) -> list[Span]:
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
            planned.what.end(context)
            spans.append(Span(planned.what.name, begun[planned], time.monotonic(), planned.what.account))
        else:
            begun[planned] = time.monotonic()
            planned.what.begin(context, random.Random(planned.seed))
    time.sleep(max(0.0, start + seconds - time.monotonic()))
    return spans


def _arrivals(admin: Admin) -> list[Arrival]:
    seen = [request for request in admin.requests() if not request.token_request]
    tokens = numbered(request.authorization for request in seen)
    names = [parse_qs(urlsplit(request.path).query).get("call", [""])[0] for request in seen]
    return [
        Arrival(name, token, request.status, account_of(request.authorization))
        for name, token, request in zip(names, tokens, seen, strict=True)
    ]
