"""Forbidden calls with the API's limits on: more than 60 answers 4xx in a minute, and every call is blocked for another."""

from __future__ import annotations

import httpx

from ...httpx import client
from ...sandbox import Counts
from ..calls import Calls
from ..crews import SyncClient
from ..naive import NaiveAuth
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, at_most, exactly
from ..stage import PRODUCT, Stage

REPORT = "/reports/daily"
PAIRS = 40
REFUSALS = "answers 4xx"
BLOCKED = "requests blocked"


def inside_the_limits() -> Scenario:
    """With httpx; then the same calls by a naive client."""
    return Scenario(
        "Inside the limits",
        "sync httpx",
        f"{PAIRS} forbidden calls and {PAIRS} allowed ones in turn. After 60 answers 4xx in a minute, the API blocks a client.",
        (at_most(60, REFUSALS), exactly(0, BLOCKED), at_most(3, TOKEN_REQUESTS)),
        _play,
        calls=2 * PAIRS,
    )


def _play(stage: Stage) -> Observed:
    calls = stage.calls([REPORT, PRODUCT] * PAIRS)
    with client(settings=stage.settings()) as ours:
        _make(calls, ours)
    counted = _counted(stage.admin.counts())
    stage.admin.reset_counts()
    return Observed(counted, notes=(_compare(_naive(stage)),))


def _make(calls: Calls, maker: SyncClient) -> None:
    for path in calls:
        maker.get(path)
        calls.end()


def _naive(stage: Stage) -> Counts:
    """What the sandbox counts for a client that takes every 403 for a dead token."""
    sandbox = stage.sandbox
    auth = NaiveAuth(sandbox.token_url, sandbox.client_id, sandbox.client_secret)
    with httpx.Client(base_url=sandbox.base_url, verify=sandbox.ssl_context(), trust_env=False, auth=auth) as naive:
        for path in [REPORT, PRODUCT] * PAIRS:
            naive.get(path)
    return stage.admin.counts()


def _counted(counts: Counts) -> dict[str, int]:
    return {
        REFUSALS: sum(number for status, number in counts.calls_by_status.items() if 400 <= status <= 499),
        BLOCKED: counts.blocked,
        TOKEN_REQUESTS: counts.token_requests,
    }


def _compare(naive: Counts) -> str:
    return (
        "The same calls by a client that meets every 403 with a new token and a second try: "
        f"{naive.token_requests} token requests and {naive.calls_by_status.get(403, 0)} answers 403. "
        f"Then it was blocked, with {naive.blocked} of its requests."
    )
