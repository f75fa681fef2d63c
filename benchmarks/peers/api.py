"""An API with a token endpoint, in memory: it counts what it is asked, and refuses as real ones do."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

TOKEN_PATH = "/token"
OPEN = "/products"
CLOSED = "/closed"
"""Calls to paths that begin so are refused whatever the token."""

TOKEN_SIZE = 400
"""Characters of a token: about what a signed JWT comes to."""

Style = Literal["rfc6749", "prio"]
"""Form of its refusals: with a reason (RFC 6750 §3.1), or as Prio does it, the same for a dead token and a closed path."""


class Answer(NamedTuple):
    """Answer of the API."""

    status: int
    headers: dict[str, str]
    body: bytes


JSON = {"content-type": "application/json"}
PRODUCTS = Answer(200, JSON, b'{"products":[]}')
DEAD = {
    "rfc6749": Answer(401, {**JSON, "www-authenticate": 'Bearer error="invalid_token"'}, b"{}"),
    "prio": Answer(403, JSON, b'{"error":"AUTHORIZATION_FAILURE"}'),
}
NOT_ALLOWED = {
    "rfc6749": Answer(403, {**JSON, "www-authenticate": 'Bearer error="insufficient_scope"'}, b"{}"),
    "prio": DEAD["prio"],
}


@dataclass(slots=True)
class Api:
    """The server's side of every benchmark that needs no socket.

    Attributes:
        style: how it refuses.
        lifetime: seconds that a token is accepted for.
        token_delay: seconds that a token request takes.
        api_delay: seconds that any other call takes.
        revoke_at: the number of calls at which every token so far is revoked; None for never.
        token_requests: how many were made.
        calls: how many others were.
        refusals: how many of them got a 4xx.
    """

    style: Style = "rfc6749"
    lifetime: float = 3600
    token_delay: float = 0
    api_delay: float = 0
    revoke_at: int | None = None
    token_requests: int = 0
    calls: int = 0
    refusals: int = 0
    _alive_until: dict[str, float] = field(default_factory=dict, repr=False)
    _serials: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def delays(self, path: str) -> tuple[float, float]:
        """Seconds before and after the server looks at a request. A token begins to age when it is on its way back."""
        return (self.token_delay, 0) if path == TOKEN_PATH else (0, self.api_delay)

    def reset_counts(self) -> None:
        """Count from here."""
        self.token_requests = self.calls = self.refusals = 0

    def answer(self, path: str, authorization: str | None) -> Answer:
        """The answer to one request."""
        with self._lock:
            if path == TOKEN_PATH:
                return self._grant()
            self.calls += 1
            if self.calls == self.revoke_at:
                self._alive_until.clear()
            answer = self._judge(path, authorization or "")
            self.refusals += answer.status >= 400
            return answer

    def _grant(self) -> Answer:
        self.token_requests += 1
        token = f"{next(self._serials):0{TOKEN_SIZE}}"
        self._alive_until[f"Bearer {token}"] = time.monotonic() + self.lifetime
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)}
        return Answer(200, JSON, json.dumps(granted).encode())

    def _judge(self, path: str, authorization: str) -> Answer:
        if self._alive_until.get(authorization, 0.0) <= time.monotonic():
            return DEAD[self.style]
        return NOT_ALLOWED[self.style] if path.startswith(CLOSED) else PRODUCTS
