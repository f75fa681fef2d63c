"""What goes wrong in a round, by lane: within a lane one thing happens at a time, across lanes anything goes together.

Another one is a line in ``DISTURBANCES``; where it needs something that the stage does not have, the stage gets it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.redis_servers import Server

if TYPE_CHECKING:
    from tests.chaos.stage import Stage

STORE = "store"
"""The lane of what happens only where tokens are shared."""

LIFETIME = 8.0
"""Seconds that tokens live in quiet times. They are due for a new one from a fifth of that on."""


def _nothing(_: Stage) -> None:
    return


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One of them.

    Attributes:
        name: for the report.
        lane: disturbances of one lane follow each other.
        begin: what is done to the stage; its numbers come out of the generator.
        end: what is done when it is over.
        lasts: seconds, at least and at most.
        outage: no new token can be had while it lasts.
        deadly: tokens die that the client takes for good.
        leap: the client's clock passes the deadline of what is under way.
    """

    name: str
    lane: str
    begin: Callable[[Stage, random.Random], None]
    end: Callable[[Stage], None] = _nothing
    lasts: tuple[float, float] = (0.0, 0.0)
    outage: bool = False
    deadly: bool = False
    leap: bool = False


def _revoke(stage: Stage, _: random.Random) -> None:
    stage.admin.revoke()


def _server_leaps(stage: Stage, numbers: random.Random) -> None:
    stage.admin.advance(numbers.uniform(0.1, 2 * LIFETIME))


def _client_leaps(stage: Stage, numbers: random.Random) -> None:
    stage.clock.advance(numbers.uniform(0.1, LIFETIME))


def _short_lives(stage: Stage, numbers: random.Random) -> None:
    stage.admin.configure(lifetime=round(numbers.uniform(1.0, 3.0), 3))


def _lies(announced: str) -> Callable[[Stage, random.Random], None]:
    def begin(stage: Stage, numbers: random.Random) -> None:
        stage.admin.configure(lifetime=round(numbers.uniform(1.0, 3.0), 3), expires_in=announced)

    return begin


def _honest_lives(stage: Stage) -> None:
    stage.admin.configure(lifetime=LIFETIME, expires_in=None)


def _slow_tokens(stage: Stage, numbers: random.Random) -> None:
    stage.admin.configure(token_delay=round(numbers.uniform(0.05, 0.3), 3))


def _quick_tokens(stage: Stage) -> None:
    stage.admin.configure(token_delay=0)
    stage.admin.release()


def _slow_answers(stage: Stage, numbers: random.Random) -> None:
    stage.admin.configure(api_delay=round(numbers.uniform(0.05, 0.3), 3))


def _quick_answers(stage: Stage) -> None:
    stage.admin.configure(api_delay=0)
    stage.admin.release()


def _fails_with(fault: str, **options: float) -> Callable[[Stage, random.Random], None]:
    def begin(stage: Stage, _: random.Random) -> None:
        stage.admin.fail_tokens(fault, times=None, seconds=60, retry_after=options.get("retry_after"))

    return begin


def _mended(stage: Stage) -> None:
    stage.admin.clear_faults()
    stage.admin.release()


def _fails_once(stage: Stage, numbers: random.Random) -> None:
    stage.admin.fail_tokens(numbers.choice(["drop", "server_error", "truncated"]))


def _server_first(stage: Stage, _: random.Random) -> None:
    stage.announce_secret()


def _file_first(stage: Stage, _: random.Random) -> None:
    stage.write_secret()


def _store(do: Callable[[Server], object]) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        if stage.store:
            do(stage.store)

    return act


def _to_store(do: Callable[[Server], object]) -> Callable[[Stage, random.Random], None]:
    act = _store(do)
    return lambda stage, _: act(stage)


def _impatience(stage: Stage, numbers: random.Random) -> None:
    stage.impatience = numbers.uniform(0.1, 0.6)


def _patience(stage: Stage) -> None:
    stage.impatience = 0.0


_OUTAGES = [
    "drop",
    "truncated",
    "server_error",
    "stall",
    "html",
    "empty",
    "too_many_requests",
    "invalid_request",
    "secret_echo",
]

DISTURBANCES = [
    Disturbance("tokens are revoked", "tokens", _revoke, deadly=True),
    Disturbance("the server's clock leaps", "tokens", _server_leaps, deadly=True),
    Disturbance("the client's clock leaps", "clock", _client_leaps, leap=True),
    Disturbance("tokens live shortly", "tokens", _short_lives, _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("tokens die before they say", "tokens", _lies("3600"), _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("tokens are for one call", "tokens", _lies("0"), _honest_lives, (0.2, 1.0), deadly=True),
    Disturbance("tokens do not say how long", "tokens", _lies(""), _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("the token endpoint is slow", "endpoint", _slow_tokens, _quick_tokens, (0.5, 3.0)),
    Disturbance("the token endpoint fails once", "endpoint", _fails_once, _mended, (1.0, 1.0), outage=True),
    *(
        Disturbance(f"the token endpoint answers {fault}", "endpoint", _fails_with(fault), _mended, (0.3, 4.0), outage=True)
        for fault in _OUTAGES
    ),
    Disturbance(
        "the token endpoint asks for a pause",
        "endpoint",
        _fails_with("unavailable", retry_after=1.0),
        _mended,
        (0.3, 2.0),
        outage=True,
    ),
    Disturbance("the API is slow", "answers", _slow_answers, _quick_answers, (0.3, 2.0)),
    Disturbance(
        "the secret changes at the server first",
        "secrets",
        _server_first,
        lambda stage: stage.write_secret(),
        (0.0, 1.0),
        outage=True,
        deadly=True,
    ),
    Disturbance(
        "the secret changes in the file first",
        "secrets",
        _file_first,
        lambda stage: stage.announce_secret(),
        (0.0, 1.0),
        outage=True,
        deadly=True,
    ),
    # Whatever becomes of the store, a token can be had: none of these is an outage.
    Disturbance("the store dies", STORE, _to_store(Server.stop), _store(Server.start), (0.1, 4.0)),
    Disturbance("the store falls silent", STORE, _to_store(Server.pause), _store(Server.resume), (0.1, 3.0)),
    Disturbance("the store forgets", STORE, _to_store(lambda store: store.admin().flushall())),
    Disturbance("callers give up", "callers", _impatience, _patience, (0.5, 3.0)),
]
