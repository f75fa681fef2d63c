"""The server's side of a day in virtual time: grants tokens, judges them, and revokes them all."""

from __future__ import annotations

import json

from prio_middleware.oauth.access_token import AccessToken
from prio_middleware.oauth.token_response import TokenResponse

from .ledger import Cause, Ledger, Revocation
from .timeline import Timeline

JSON = {"content-type": "application/json"}


class Vendor:
    """Several tokens are valid at once; a revocation is for all of those so far.

    Args:
        timeline: the clock.
        ledger: where it is counted.
        lifetime: seconds that a token lives.
    """

    def __init__(self, timeline: Timeline, ledger: Ledger, lifetime: float) -> None:
        self._timeline = timeline
        self._ledger = ledger
        self._lifetime = lifetime
        self._granted_at: list[float] = []
        self._revoked = 0

    def grant(self, cause: Cause) -> TokenResponse:
        """Answer a token request."""
        now = self._timeline.now
        self._ledger.token_requests[cause][int(now)] += 1
        self._granted_at.append(now)
        granted = {"access_token": f"t{len(self._granted_at)}", "token_type": "Bearer", "expires_in": self._lifetime}
        return TokenResponse(200, JSON, json.dumps(granted).encode())

    def revoke(self) -> Revocation:
        """Let every token so far die."""
        self._revoked = len(self._granted_at)
        revocation = Revocation(self._timeline.now)
        self._ledger.revocations.append(revocation)
        return revocation

    def accepts(self, token: AccessToken) -> bool:
        """Return True if the API accepts that token."""
        number = int(token.value.reveal()[1:])
        if self._granted_at[number - 1] + self._lifetime <= self._timeline.now:
            self._ledger.expired += 1
            return False
        return number > self._revoked

    def reject(self, calls: int) -> None:
        """Answer a number of calls with a 4xx."""
        self._ledger.refusals[int(self._timeline.now)] += calls
        if self._ledger.revocations:
            self._ledger.revocations[-1].refusals += calls
