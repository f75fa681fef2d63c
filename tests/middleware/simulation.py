"""A client, a token endpoint and an API in virtual time: nothing sleeps, and a seed decides everything."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prio_middleware._util.secret import Secret
from prio_middleware.middleware import RevocationHandler
from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.rules import PRIO_REFUSALS
from prio_middleware.oauth.access_token import AccessToken, TokenOptions
from prio_middleware.pipeline.exchange import Exchange, Verdict

Task = Generator[float, None, Any]
"""Task of the simulation. It yields the seconds that it waits."""

POLL = 0.01
"""Seconds between two polls of a task that waits for another task's token request."""


@dataclass
class URL:
    path: str
    scheme: str = "https"
    host: str = "api.example.com"
    raw_host: bytes = b"api.example.com"
    port: int | None = None

    def join(self, url: str, /) -> URL:
        return URL(url)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"


class Where(NamedTuple):
    """Target, method and token scope of a call."""

    path: str
    host: str = "api.example.com"
    scope: str | None = None
    method: str = "GET"

    def __str__(self) -> str:
        return self.path if self.host == "api.example.com" else f"//{self.host}{self.path}"


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
    """Record of one call.

    Attributes:
        path: its target.
        began: its start, in seconds.
        allowed: it succeeds with a valid token.
        sent: number of attempts.
        ended: its end, in seconds.
        answered: it succeeded.
    """

    path: str
    began: float
    allowed: bool
    sent: int = 0
    ended: float = 0.0
    answered: bool = False


class Simulation:
    """Simulated client, token endpoint and API.

    Args:
        seed: seed of all random numbers.
        allows: returns True if a call to the path succeeds with a valid token.
        refusal: returns the refusal of a call to the path: of an invalid token (True), or of a call that is not allowed.
        ends_token: returns True if the API revokes the token after a call to the path.
        latency: the shortest and the longest way to the API and back, in seconds.
        fetch: duration of a token request, in seconds.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        allows: Callable[[str], bool] = lambda path: not path.startswith("/closed"),
        refusal: Callable[[str, bool], Refusal] = lambda path, dead: Refusal(403, code="AUTHORIZATION_FAILURE"),
        ends_token: Callable[[str], bool] = lambda path: False,
        latency: tuple[float, float] = (0.05, 0.5),
        fetch: float = 0.2,
    ) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.handler = RevocationHandler(PRIO_REFUSALS, clock=lambda: self.now)
        self.calls: list[Call] = []
        self.token_requests: list[float] = []
        self.after_refusal: list[float] = []
        self.never_valid = False
        self.allows = allows
        self.refusal = refusal
        self.ends_token = ends_token
        self._latency = latency
        self._fetch = fetch
        self._serials = itertools.count(1)  # Each token has its own, even if several are fetched at once.
        self._alive: set[int] = set()
        self._tokens: dict[str | None, AccessToken | None] = {}
        self._fetching: set[str | None] = set()
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

    def call(self, to: Where | str) -> Task:
        where = to if isinstance(to, Where) else Where(to)
        call = Call(str(where), self.now, self.allows(str(where)))
        self.calls.append(call)
        exchange = Exchange(Request(URL(where.path, host=where.host, raw_host=where.host.encode()), where.method), {})
        exchange.options = TokenOptions(where.scope)
        exchange.token = yield from self._get_token(where.scope, 0)
        while True:
            call.sent += 1
            response = yield from self._send(exchange, call)
            verdict = self.handler.on_response(exchange, response)
            if verdict is not Verdict.REAUTHENTICATE:
                call.ended, call.answered = self.now, response.status_code == 200
                return
            if self._tokens.get(where.scope) is exchange.token:
                self._tokens[where.scope] = None
            exchange.start_retry((yield from self._get_token(where.scope, exchange.token.serial)))

    def _send(self, exchange: Exchange, call: Call) -> Generator[float, None, Response]:
        assert exchange.token is not None
        way = self.random.uniform(*self._latency) / 2
        yield way
        alive = exchange.token.serial in self._alive
        if alive and self.ends_token(call.path):
            self._alive.discard(exchange.token.serial)
        yield way
        if alive and call.allowed:
            exchange.refusal = None
            return Response(200)
        exchange.refusal = self.refusal(call.path, not alive)
        return Response(exchange.refusal.status_code)

    def _get_token(self, scope: str | None, stale: int) -> Generator[float, None, AccessToken]:
        while True:
            token = self._tokens.get(scope)
            if token is not None and token.serial > stale:
                return token
            if scope in self._fetching:
                yield POLL
                continue
            self._fetching.add(scope)
            self.token_requests.append(self.now)
            self.after_refusal.extend([self.now] if stale else [])
            yield self._fetch
            token = self._tokens[scope] = AccessToken(Secret("token"), serial=next(self._serials))
            if not self.never_valid:
                self._alive.add(token.serial)
            self._fetching.discard(scope)

    # Load.

    def load(self, tasks: int, calls: int, pause: float, path: Callable[[random.Random], Where | str]) -> None:
        """Run ``tasks`` tasks that make ``calls`` calls together, with ``pause`` seconds on average between two."""
        left = itertools.count()

        def task() -> Task:
            yield self.random.uniform(0, pause)
            while next(left) < calls:
                yield from self.call(path(self.random))
                yield self.random.uniform(0, 2 * pause)

        for _ in range(tasks):
            self.start(task())

    # Results.

    @property
    def lost(self) -> list[Call]:
        """Return allowed calls that got a refusal."""
        return [call for call in self.calls if call.allowed and not call.answered]
