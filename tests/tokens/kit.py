"""A provider with a clock to move and a token endpoint to script: no sockets, no waiting."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

from prio_middleware import AccessToken, ClientCredentialsProvider, Secret, TokenError
from prio_middleware.tokens.client_auth import ClientSecretBasic
from prio_middleware.tokens.effects import Ask, Background, Effect, Pause, Post, Steps, Wait, Within
from prio_middleware.tokens.endpoint import TokenAnswer, TokenEndpoint, TokenRequest
from prio_middleware.tokens.flight import Unanswered

URL = "https://auth.example/token"


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def endpoint(secret: str = "s3cret!") -> TokenEndpoint:
    return TokenEndpoint(URL, ClientSecretBasic("shop@example.com", Secret(secret)), client="shop")


def provider(clock: Callable[[], float] | None = None, **options: Any) -> ClientCredentialsProvider:
    return ClientCredentialsProvider(endpoint(), clock=clock or time.monotonic, **options)


_numbers = itertools.count(1)


def token(expires_in: object = 3600, **members: Any) -> TokenAnswer:
    """An answer with a token of its own."""
    body = {"access_token": f"token-{next(_numbers)}", "token_type": "Bearer", "expires_in": expires_in, **members}
    return answer(200, body)


def answer(status: int, body: object = None, **headers: str) -> TokenAnswer:
    content = b"" if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return TokenAnswer(status, {"content-type": "application/json", **names}, content)


def refused(code: str, status: int = 400) -> TokenAnswer:
    return answer(status, {"error": code})


class Server:
    """Answers token requests from a script; the last entry is repeated. Counts what it was asked."""

    def __init__(self, *script: TokenAnswer) -> None:
        self.script = list(script) or [token()]
        self.requests: list[TokenRequest] = []

    def __call__(self, request: TokenRequest) -> TokenAnswer:
        self.requests.append(request)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def play(steps: Steps[AccessToken | TokenError], server: Server, clock: Clock) -> AccessToken | TokenError:
    """Do what the steps ask for in virtual time: pauses and waits move the clock; nothing else happens meanwhile."""
    result: Any = None
    while True:
        try:
            effect = steps.send(result)
        except StopIteration as stop:
            outcome: AccessToken | TokenError = stop.value
            return outcome
        result = _do(effect, server, clock)


def _do(effect: Effect, server: Server, clock: Clock) -> Any:
    match effect:
        case Post(request):
            return server(request)
        case Ask(operation):
            return operation()
        case Within(effect):
            return _do(effect, server, clock)
        case Pause(seconds):
            clock.now += seconds
        case Wait(_, seconds):
            clock.now += seconds
            return Unanswered.OVERDUE
        case Background(steps, _):
            play(steps, server, clock)
            return True
    return None
