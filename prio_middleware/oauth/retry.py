"""One attempt of a token request, and the memory of failed fetches."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from .access_token import AccessToken, TokenOptions
from .decision import KEYS_LIMIT, Failure
from .effects import Post, Steps
from .token_request import TokenEndpoint
from .token_response import TokenResponse

Result = AccessToken | TokenError
"""Result of a token request: a token, or the error for which there is none."""


def request_token(endpoint: TokenEndpoint, key: TokenOptions, deadline_at: float, clock: Callable[[], float]) -> Steps[Result]:
    """Send one token request and read the response. ``deadline_at`` is the moment of ``clock`` that ends the whole fetch."""
    requested_at = clock()
    request = endpoint.request(key, deadline_at, requested_at)
    response: TokenResponse = yield Post(request)
    return endpoint.read(response, requested_at, request)


RETRY_AFTER_LIMIT = 60.0
"""Longest delay in seconds that a server's ``Retry-After`` may cause: it may be wrong."""

FIRST_PAUSE = 1.0
"""Seconds without a fetch after a transient failure. Each further failure in a row doubles them."""

LONGEST_PAUSE = 10.0
"""Longest such pause in seconds."""

PACE = 1.0
"""Seconds from the start of an interrupted fetch to the next one. An interruption says nothing about the token endpoint."""


class Failures:
    """The last failure of each key of one provider. An error about the credentials counts for every key.

    Args:
        failure_cooldown: seconds for which a permanent failure is not retried.

    Attributes:
        may_retry: a fetch may retry transient failures. False after a fetch that failed with all its retries.
        last_failed: the last fetch failed, whatever its key.
    """

    def __init__(self, failure_cooldown: float) -> None:
        self._failure_cooldown = failure_cooldown
        self.clear()

    def clear(self) -> None:
        """Forget every failure: there are new credentials."""
        self._failures: dict[TokenOptions | None, Failure] = {}
        self._interrupted: dict[TokenOptions, float] = {}
        self._lost: object = None
        self.may_retry = True
        self.last_failed = False

    def get(self, key: TokenOptions) -> Failure | None:
        """Return the failure that delays fetches for ``key`` longest."""
        known = (self._failures.get(None), self._failures.get(key))
        return max(filter(None, known), key=lambda failure: failure.retry_at, default=None)

    def has(self, key: TokenOptions) -> bool:
        """Return whether a failure of this key alone is remembered."""
        return key in self._failures

    def record(self, key: TokenOptions, error: TokenError, now: float) -> None:
        """Remember ``error``."""
        self.last_failed = True
        if len(self._failures) >= KEYS_LIMIT:
            self._failures.clear()
        about = None if isinstance(error, CredentialsRefusedError) else key
        if isinstance(error, TokenEndpointUnavailableError):
            before = self._failures.get(about)
            pause = min(max(FIRST_PAUSE, 2 * before.pause if before else 0.0), LONGEST_PAUSE)
            retry_after = min(error.retry_after or 0.0, RETRY_AFTER_LIMIT)
            self._failures[about] = Failure(error, now, now + max(pause, retry_after), pause)
            self.may_retry = False
        else:
            self._failures[about] = Failure(error, now, now + self._failure_cooldown)

    def record_interruption(self, key: TokenOptions, began: float) -> None:
        """Remember that a fetch ended without an outcome. ``began`` is the moment at which it began."""
        if len(self._interrupted) >= KEYS_LIMIT:
            self._interrupted.clear()
        self._interrupted[key] = began

    def not_before(self, key: TokenOptions) -> float:
        """Return the moment before which no fetch for ``key`` begins, because the last one was interrupted."""
        began = self._interrupted.get(key)
        return 0.0 if began is None else began + PACE

    def may_retry_lost(self, fetch: object) -> bool:
        """Return whether a fetch that ran past its deadline may be retried at once.

        The first one in a row may be: this process may have been stopped for a while. After that the token endpoint is at
        fault.
        """
        if self._lost is None:
            self._lost = fetch
        return self._lost is fetch

    def forget(self, key: TokenOptions) -> None:
        """Forget the failures of ``key``: a fetch for it succeeded."""
        self._failures.pop(key, None)
        self._failures.pop(None, None)
        self._interrupted.pop(key, None)
        self._lost = None
        self.may_retry = True
        self.last_failed = False
