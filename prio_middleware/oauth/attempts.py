"""Attempts of one fetch, and the pauses between them, by tenacity.

The first fetch imports this module, because a process that only creates a client does not need tenacity.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, wait_exponential, wait_random

from ..errors import TokenEndpointUnavailableError, TokenError
from .single_flight import Result

# The deadline cut off an attempt that ends within these seconds before it without a response: timers are not exact.
CUT_OFF_SECONDS = 0.01
RESTART_SECONDS = 3.0  # Seconds for which a refused connection is retried: a server that restarts refuses connections.
NOT_RETRIED = frozenset({"unknown_host", "untrusted_certificate", "unexpected"})  # Causes that a retry does not help against.

_backoff = wait_exponential(multiplier=0.2, max=5.0) + wait_random(0.0, 0.2)


class Attempts:
    """The attempts of one fetch: transient failures are retried, with jitter, until the deadline.

    tenacity decides; the caller waits and sends, so one loop serves blocking and awaiting callers.

    Args:
        clock: seconds of a monotonic clock.
        may_retry: False allows one attempt only.

    Attributes:
        result: result of the last attempt.
        due_pause: after the last attempt, seconds until the next one, if the deadline alone forbids it. Else None.
    """

    result: Result

    def __init__(self, clock: Callable[[], float], *, may_retry: bool = True) -> None:
        self.due_pause: float | None = None
        self._earlier: TokenError | None = None
        self._deadline_at = math.inf
        self._refused_until = math.inf
        self._clock = clock

        def is_worth_retrying(_: RetryCallState) -> bool:
            is_transient = isinstance(self.result, TokenEndpointUnavailableError)
            return may_retry and is_transient and _cause(self.result) not in NOT_RETRIED

        def wait(state: RetryCallState) -> float:
            retry_after = self.result.retry_after if isinstance(self.result, TokenError) else None
            return max(_backoff(state), retry_after or 0.0)

        def is_over(state: RetryCallState) -> bool:
            next_at = clock() + state.upcoming_sleep
            if self._deadline_at <= next_at < self._refused_until:
                self.due_pause = state.upcoming_sleep
            return next_at >= min(self._deadline_at, self._refused_until)

        self._retrying = Retrying(
            retry=is_worth_retrying,
            wait=wait,
            stop=is_over,
            retry_error_callback=lambda _: self.result,
        )
        self._state = RetryCallState(self._retrying, None, (), {})
        self._retrying.begin()

    def pause_before_next(self, deadline_at: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none and ``result`` is set.

        ``deadline_at`` is the moment of the clock at which the fetch is given up. A pause that would end later, because the
        server's ``Retry-After`` asks for it, ends the fetch at once. After a ``due_pause``, the attempts may go on with a later
        deadline.
        """
        self._deadline_at, self.due_pause = deadline_at, None
        action = self._retrying.iter(self._state)
        if isinstance(action, DoAttempt):
            return 0.0
        self._state.prepare_for_next_attempt()
        return float(action) if isinstance(action, DoSleep) else None

    def record(self, result: Result) -> None:
        """Record the result of an attempt.

        If the deadline cut a retry short, the result is the failure before it: that one tells the reason of the retry.
        """
        has_no_response = isinstance(result, TokenEndpointUnavailableError) and result.status_code is None
        if self._earlier and has_no_response and self._clock() >= self._deadline_at - CUT_OFF_SECONDS:
            result = self._earlier.copy(retry_after=None)  # That wait is over.
        self._earlier = result if isinstance(result, TokenError) else None
        if _cause(result) != "connection_refused":
            self._refused_until = math.inf
        elif self._refused_until == math.inf:
            self._refused_until = self._clock() + RESTART_SECONDS
        self.result = result
        self._state.set_result(result)


def _cause(result: Result) -> str | None:
    return result.cause if isinstance(result, TokenEndpointUnavailableError) else None
