"""What went wrong lately, so that it is not asked for again at once."""

from __future__ import annotations

from ..errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from .decision import Failure
from .token import TokenOptions

RETRY_AFTER_LIMIT = 60.0
"""Seconds that a server's ``Retry-After`` may hold fetches back at most: it may be wrong."""


class Failures:
    """The last failure of each key of one provider; refused credentials count for every key.

    Args:
        hold_back: seconds for which a failure is remembered.
        limit: how many are kept.
    """

    def __init__(self, hold_back: float, limit: int = 1024) -> None:
        self._hold_back = hold_back
        self._limit = limit
        self._failures: dict[TokenOptions | None, Failure] = {}

    def get(self, key: TokenOptions) -> Failure | None:
        """The failure that counts for ``key`` the longest."""
        known = (self._failures.get(None), self._failures.get(key))
        return max((failure for failure in known if failure), key=lambda failure: failure.until, default=None)

    def knows(self, key: TokenOptions) -> bool:
        """One is remembered for this very key."""
        return key in self._failures

    def record(self, key: TokenOptions, error: TokenError, now: float) -> None:
        """Remember ``error``."""
        if len(self._failures) >= self._limit:
            self._failures.clear()
        self._failures[None if isinstance(error, CredentialsRefusedError) else key] = self._judge(error, now)

    def forget(self, key: TokenOptions) -> None:
        """A fetch for ``key`` succeeded."""
        self._failures.pop(key, None)
        self._failures.pop(None, None)

    def clear(self) -> None:
        """There are new credentials: what held the old ones back is over."""
        self._failures.clear()

    def _judge(self, error: TokenError, now: float) -> Failure:
        transient = isinstance(error, TokenEndpointUnavailableError)
        if transient and error.retry_after:
            return Failure(error, now, now + min(error.retry_after, RETRY_AFTER_LIMIT), holds_back=True)
        return Failure(error, now, now + self._hold_back, holds_back=not transient)
