"""The access tokens that were issued, and what became of them."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from dataclasses import dataclass

_HEADER = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').rstrip(b"=").decode()
_KEPT = 10_000


@dataclass(slots=True)
class Grant:
    """What a token is good for, and until when by the sandbox's clock."""

    client_id: str
    scopes: frozenset[str]
    expires_at: float
    revoked: bool = False


class Tokens:
    """Issued tokens by their text; the oldest are forgotten beyond 10,000. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def issue(self, grant: Grant) -> str:
        """A new token. It looks like a JWT, as Prio's do, and nothing can be read from it."""
        token = _new_token(grant.client_id)
        with self._lock:
            self._grants[token] = grant
            if len(self._grants) > _KEPT:
                del self._grants[next(iter(self._grants))]
        return token

    def find(self, token: str) -> Grant | None:
        """What ``token`` is good for, or None where it was never issued."""
        return self._grants.get(token)

    def texts(self) -> list[str]:
        """The tokens themselves, the oldest first."""
        with self._lock:
            return list(self._grants)

    def revoke(self, client_id: str | None = None) -> int:
        """Revoke the tokens of a client, or of all. Returns how many were still good."""
        with self._lock:
            alive = [grant for grant in self._of(client_id) if not grant.revoked]
            for grant in alive:
                grant.revoked = True
            return len(alive)

    def expire(self, now: float, client_id: str | None = None) -> int:
        """Let the tokens of a client, or of all, be expired. Returns how many were still good."""
        with self._lock:
            alive = [grant for grant in self._of(client_id) if grant.expires_at > now]
            for grant in alive:
                grant.expires_at = now
            return len(alive)

    def reset(self) -> None:
        """Forget every token."""
        with self._lock:
            self._grants.clear()

    def _of(self, client_id: str | None) -> list[Grant]:
        return [grant for grant in self._grants.values() if client_id in (None, grant.client_id)]


def _new_token(client_id: str) -> str:
    claims = json.dumps({"sub": client_id, "jti": secrets.token_hex(8)}).encode()
    payload = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    return f"{_HEADER}.{payload}.{secrets.token_urlsafe(48)}"
