"""Retries: the attempts of one fetch, and the pauses between fetches that failed."""

from __future__ import annotations

import math
import random
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


CUT_SHORT = 0.01
"""Seconds before the deadline from which an attempt without a response ran out of time: timers are not exact."""

RESTART_SECONDS = 3.0
"""Seconds for which a refused connection is retried: a server that restarts refuses connections."""

NOT_RETRIED = frozenset({"unknown_host", "untrusted_certificate", "unexpected"})
"""Causes of failures that a retry does not help against."""


class Attempts:
    """The attempts of one fetch: transient failures are retried, with jitter, until the deadline.

    The caller waits and sends, so one class serves sync and async callers.

    Args:
        deadline_at: moment of ``clock`` at which the fetch is given up. A pause that would end later, because the server's
            ``Retry-After`` asks for it, ends the fetch at once.
        clock: seconds of a monotonic clock.
        may_retry: False allows one attempt only.

    Attributes:
        count: number of attempts.
        result: result of the fetch so far.
    """

    result: Result

    def __init__(self, deadline_at: float, clock: Callable[[], float], *, may_retry: bool = True) -> None:
        self.count = 0
        self._earlier: TokenError | None = None
        self._deadline_at = deadline_at
        self._refused_until = math.inf
        self._clock = clock
        self._may_retry = may_retry

    def pause_before_next(self) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none and ``result`` is set."""
        if self.count == 0:
            return 0.0
        error = self.result
        if not self._may_retry or not isinstance(error, TokenEndpointUnavailableError) or error.cause in NOT_RETRIED:
            return None
        pause = max(_backoff(self.count), error.retry_after or 0.0)
        return pause if self._clock() + pause < min(self._deadline_at, self._refused_until) else None

    def record(self, result: Result) -> None:
        """Record the result of an attempt.

        If the deadline cut a retry short, the result is the failure before it: that one tells the reason of the retry.
        """
        error = result if isinstance(result, TokenEndpointUnavailableError) else None
        if self._earlier and error and error.status_code is None and self._clock() >= self._deadline_at - CUT_SHORT:
            result = self._earlier.copy(retry_after=None)  # That wait is over.
        self._earlier = result if isinstance(result, TokenError) else None
        if error is None or error.cause != "connection_refused":
            self._refused_until = math.inf
        elif self._refused_until == math.inf:
            self._refused_until = self._clock() + RESTART_SECONDS
        self.count += 1
        self.result = result


def _backoff(attempts: int) -> float:
    """Return a pause of 0.2 s, doubled by each further attempt up to 5 s, with up to 0.2 s more at random."""
    return min(0.2 * 2.0 ** min(attempts - 1, 5), 5.0) + random.uniform(0.0, 0.2)  # noqa: S311 - not for security


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
