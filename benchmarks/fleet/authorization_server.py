"""Simulated server of a day in virtual time: it grants, checks and revokes tokens."""

from __future__ import annotations

import json

from prio_middleware.oauth.access_token import AccessToken
from prio_middleware.oauth.token_response import TokenResponse

from .stats import Cause, Revocation, Stats
from .timeline import Timeline

JSON = {"content-type": "application/json"}


class AuthorizationServer:
    """Authorization server and API in one. Several tokens are valid at once; a revocation is for all granted so far.

    Args:
        timeline: the clock.
        stats: counts of requests and rejections.
        lifetime: seconds from grant to expiry.
    """

    def __init__(self, timeline: Timeline, stats: Stats, lifetime: float) -> None:
        self._timeline = timeline
        self._stats = stats
        self._lifetime = lifetime
        self._granted_at: list[float] = []
        self._revoked = 0

    def grant(self, cause: Cause) -> TokenResponse:
        """Answer a token request."""
        now = self._timeline.now
        self._stats.token_requests[cause][int(now)] += 1
        self._granted_at.append(now)
        granted = {"access_token": f"t{len(self._granted_at)}", "token_type": "Bearer", "expires_in": self._lifetime}
        return TokenResponse(200, JSON, json.dumps(granted).encode())

    def revoke(self) -> Revocation:
        """Revoke every token granted so far."""
        self._revoked = len(self._granted_at)
        revocation = Revocation(self._timeline.now)
        self._stats.revocations.append(revocation)
        return revocation

    def accepts(self, token: AccessToken) -> bool:
        """Return True if the API accepts that token."""
        number = int(token.value.reveal()[1:])
        if self._granted_at[number - 1] + self._lifetime <= self._timeline.now:
            self._stats.expired += 1
            return False
        return number > self._revoked

    def reject(self, calls: int) -> None:
        """Answer a number of calls with a 4xx."""
        self._stats.rejections[int(self._timeline.now)] += calls
        if self._stats.revocations:
            self._stats.revocations[-1].rejections += calls
