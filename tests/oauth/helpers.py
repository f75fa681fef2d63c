"""Helpers: a provider with a virtual clock and a scripted token endpoint, without sockets and waiting."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
from anyio.lowlevel import current_token

from prio_middleware import AccessToken, ClientCredentialsProvider, Secret, TokenError
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.client_auth import ClientSecretBasic
from prio_middleware.oauth.effects import Background, Call, Effect, Pause, Post, RunBlocking, Steps, Wait
from prio_middleware.oauth.single_flight import NoResult, Outcome
from prio_middleware.oauth.token_request import TokenEndpoint, TokenRequest
from prio_middleware.oauth.token_response import TokenResponse

URL = "https://auth.example/token"

TIMEOUT = 30.0
"""Longest wait in seconds of a test for another thread or task."""


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._looks = 0
        self._then: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        self._looks -= 1
        if self._looks == 0:
            self._then()
        return self.now

    def before_next(self, looks: int, then: Callable[[], object]) -> None:
        """Call ``then`` at the read of the clock with that number from now on, as if in another thread."""
        self._looks, self._then = looks, then


def endpoint(secret: str = "s3cret!") -> TokenEndpoint:
    auth = ClientSecretBasic("shop@example.com", Secret(secret))
    return TokenEndpoint(URL, auth, expiry=ExpiryPolicy(jitter=0.0), client="shop")


def provider(clock: Callable[[], float] | None = None, **options: Any) -> ClientCredentialsProvider:
    return ClientCredentialsProvider(endpoint(), clock=clock or time.monotonic, **options)


_numbers = itertools.count(1)


def token(expires_in: object = 3600, **members: Any) -> TokenResponse:
    """Return a response with a new token."""
    body = {"access_token": f"token-{next(_numbers)}", "token_type": "Bearer", "expires_in": expires_in, **members}
    return answer(200, body)


def answer(status: int, body: object = None, **headers: str) -> TokenResponse:
    content = b"" if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return TokenResponse(status, {"content-type": "application/json", **names}, content)


def refused(code: str, status: int = 400) -> TokenResponse:
    return answer(status, {"error": code})


class Server:
    """Token endpoint that answers from a script and repeats its last entry. It keeps the requests."""

    def __init__(self, *script: TokenResponse) -> None:
        self.script = list(script) or [token()]
        self.requests: list[TokenRequest] = []

    def __call__(self, request: TokenRequest) -> TokenResponse:
        self.requests.append(request)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Gate:
    """An event for threads and for tasks of any event loop."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wakers: list[Callable[[], object]] = []
        self.is_set = self._event.is_set
        self.clear = self._event.clear

    def set(self) -> None:
        self._event.set()
        for wake in self._wakers:
            with contextlib.suppress(RuntimeError):  # That event loop is closed.
                wake()

    def wait(self) -> None:
        assert self._event.wait(TIMEOUT)

    async def await_(self) -> None:
        opened = anyio.Event()
        loop: Any = current_token().native_token
        call_soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon
        self._wakers.append(partial(call_soon, opened.set))
        if not self.is_set():
            with anyio.fail_after(TIMEOUT):
                await opened.wait()


class SlowServer(Server):
    """Token endpoint that answers when its gate opens, and signals the first request."""

    def __init__(self, *script: TokenResponse) -> None:
        super().__init__(*script)
        self.gate = Gate()
        self.arrived = Gate()

    def __call__(self, request: TokenRequest) -> TokenResponse:
        self.arrived.set()
        self.gate.wait()
        return super().__call__(request)

    async def answer_task(self, request: TokenRequest) -> TokenResponse:
        self.arrived.set()
        await self.gate.await_()
        return super().__call__(request)


def wait_for(condition: Callable[[], object]) -> None:
    """Block until another thread has made the condition true."""
    end, tick = time.monotonic() + TIMEOUT, threading.Event()
    while not condition():
        assert time.monotonic() < end
        tick.wait(0.001)  # lets the other thread run


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks and threads run until they have made the condition true."""
    with anyio.fail_after(TIMEOUT):
        while not condition():
            await anyio.lowlevel.checkpoint()


def run_and_close(coroutine: Any) -> object:
    """As a program does that does not know ``asyncio.run``: tasks are left where they are."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def play(steps: Steps[Any], server: Server, clock: Clock) -> AccessToken | TokenError:
    """Run the steps in virtual time: pauses and waits move the clock, and nothing else happens meanwhile."""
    result: Any = None
    while True:
        try:
            effect = steps.send(result)
        except StopIteration as stop:
            outcome: AccessToken | TokenError = stop.value
            return outcome
        result = _do(effect, server, clock)


def play_pauses(steps: Steps[Any], server: Server, clock: Clock, at_pause: Callable[[Pause], object]) -> None:
    """Run the steps in virtual time, in the caller's place, and call ``at_pause`` before each pause."""
    steps, result = inline(steps), None
    while True:
        try:
            effect = steps.send(result)
        except StopIteration:
            return
        if isinstance(effect, Pause):
            at_pause(effect)
        result = _do(effect, server, clock)


def inline(steps: Steps[Any]) -> Steps[Any]:
    """Yield the same steps without background tasks: the caller fetches itself, so that a test can step through the fetch."""
    result: Any = None
    try:
        while True:
            effect = steps.send(result)
            result = False if isinstance(effect, Background) else (yield effect)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def _do(effect: Effect, server: Server, clock: Clock) -> Any:
    match effect:
        case Post(request):
            return server(request)
        case RunBlocking(operation):
            return operation()
        case Call():
            raise NotImplementedError
        case Pause(seconds):
            clock.now += seconds
        case Wait():
            return wait(effect, clock)
        case Background(steps, _):
            play(steps, server, clock)
            return True
    return None


def wait(effect: Wait, clock: Clock) -> Outcome:
    """Return the outcome of the fetch, or TIMED_OUT after the caller's whole wait."""
    if effect.fetch.outcome is not None:
        return effect.fetch.outcome
    clock.now += min(effect.seconds, effect.lost_after_seconds)
    return NoResult.TIMED_OUT
