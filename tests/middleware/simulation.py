"""A client, a token endpoint and an API in virtual time: nothing sleeps, and a seed decides everything."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from prio_middleware.middleware import RevocationHandler
from prio_middleware.pipeline import Exchange, Verdict
from prio_middleware.refusal import Refusal
from prio_middleware.refusal_rules import PRIO_REFUSALS
from prio_middleware.secret import Secret
from prio_middleware.tokens.token import AccessToken

Task = Generator[float, None, Any]
"""A task yields the seconds it waits."""

POLL = 0.01
"""Seconds between two looks of a task that waits for somebody else's token request."""


@dataclass
class URL:
    path: str
    scheme: str = "https"
    host: str = "api.example.com"
    raw_host: bytes = b"api.example.com"
    port: int | None = None

    def join(self, url: str, /) -> URL:
        return URL(url)


@dataclass
class Request:
    url: URL
    method: str = "GET"
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass
class Response:
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One call, as it went.

    Attributes:
        path: where it went.
        began: when.
        allowed: whether the API answers it, given a token that is alive.
        sent: how often it was sent.
        ended: when.
        answered: whether the caller got an answer, and no refusal.
    """

    path: str
    began: float
    allowed: bool
    sent: int = 0
    ended: float = 0.0
    answered: bool = False


class World:
    """Everything at once.

    Args:
        seed: of all that is random.
        allows: whether the API answers a call to a path, given a token that is alive.
        code: the error code of a refusal: of a dead token (True) or of a call that is not allowed (False), by path.
        latency: the shortest and the longest way to the API and back, in seconds.
        fetch: how long a token request takes, in seconds.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        allows: Callable[[str], bool] = lambda path: not path.startswith("/closed"),
        refusal: Callable[[str, bool], Refusal] = lambda path, dead: Refusal(403, code="AUTHORIZATION_FAILURE"),
        latency: tuple[float, float] = (0.05, 0.5),
        fetch: float = 0.2,
    ) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.handler = RevocationHandler(PRIO_REFUSALS, clock=lambda: self.now)
        self.calls: list[Call] = []
        self.token_requests: list[float] = []
        self.never_valid = False
        self.allows = allows
        self._refusal = refusal
        self._latency = latency
        self._fetch = fetch
        self._alive: set[int] = set()
        self._token: AccessToken | None = None
        self._fetching = False
        self._tasks: list[tuple[float, int, Task]] = []
        self._order = itertools.count()

    # The clock.

    def start(self, task: Task, at: float = 0.0) -> None:
        heapq.heappush(self._tasks, (at, next(self._order), task))

    def run(self) -> None:
        while self._tasks:
            self.now, _, task = heapq.heappop(self._tasks)
            pause = next(task, None)
            if pause is not None:
                self.start(task, self.now + pause)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        def task() -> Task:
            yield moment
            action()

        self.start(task())

    # The server.

    def revoke(self) -> None:
        self._alive.clear()

    # The client.

    def call(self, path: str) -> Task:
        call = Call(path, self.now, self.allows(path))
        self.calls.append(call)
        exchange = Exchange(Request(URL(path)), {})
        exchange.token = yield from self._get_token(0)
        while True:
            call.sent += 1
            response = yield from self._send(exchange, call)
            verdict = self.handler.on_response(exchange, response)
            if verdict is not Verdict.REAUTHENTICATE:
                call.ended, call.answered = self.now, response.status_code == 200
                return
            if self._token is exchange.token:
                self._token = None
            exchange.begin_second((yield from self._get_token(exchange.token.serial)))

    def _send(self, exchange: Exchange, call: Call) -> Generator[float, None, Response]:
        assert exchange.token is not None
        way = self.random.uniform(*self._latency) / 2
        yield way
        alive = exchange.token.serial in self._alive
        yield way
        if alive and call.allowed:
            exchange.refusal = None
            return Response(200)
        exchange.refusal = self._refusal(call.path, not alive)
        return Response(exchange.refusal.status_code)

    def _get_token(self, stale: int) -> Generator[float, None, AccessToken]:
        while self._token is None or self._token.serial <= stale:
            if self._fetching:
                yield POLL
                continue
            self._fetching = True
            self.token_requests.append(self.now)
            yield self._fetch
            self._token = AccessToken(Secret("token"), serial=len(self.token_requests))
            if not self.never_valid:
                self._alive.add(self._token.serial)
            self._fetching = False
        return self._token

    # Load.

    def load(self, tasks: int, calls: int, pause: float, path: Callable[[random.Random], str]) -> None:
        """``tasks`` tasks make ``calls`` calls together; each pauses for ``pause`` seconds on average between two."""
        left = itertools.count()

        def task() -> Task:
            yield self.random.uniform(0, pause)
            while next(left) < calls:
                yield from self.call(path(self.random))
                yield self.random.uniform(0, 2 * pause)

        for _ in range(tasks):
            self.start(task())

    # What came of it.

    @property
    def lost(self) -> list[Call]:
        """Calls that the API allows and that got a refusal."""
        return [call for call in self.calls if call.allowed and not call.answered]
