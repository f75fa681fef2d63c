"""Which failures of a token request are tried again, and when: tenacity, stepped by hand."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, wait_exponential, wait_random

from ..errors import TokenEndpointUnavailableError, TokenError
from .token import AccessToken

Result = AccessToken | TokenError

CUT_SHORT = 0.01
"""Seconds before the deadline from which on a try that brought no answer has failed for lack of time: timers are not exact."""

_backoff = wait_exponential(multiplier=0.2, max=5.0) + wait_random(0.0, 0.2)


class Attempts:
    """The attempts of one fetch: transient failures are tried again, with jitter, until the deadline.

    tenacity decides; waiting and sending is the caller's, so one loop serves blocking and awaiting callers.

    Args:
        until: the moment of ``clock`` at which the fetch is given up. A wait that would end later, because the server's
            ``Retry-After`` asks for it, gives up at once.
    """

    result: Result

    def __init__(self, until: float, clock: Callable[[], float]) -> None:
        self._earlier: TokenError | None = None
        self._until = until
        self._clock = clock
        self._retrying = Retrying(
            retry=lambda _: isinstance(self.result, TokenEndpointUnavailableError),
            wait=self._wait,
            stop=lambda state: clock() + state.upcoming_sleep >= until,
            retry_error_callback=lambda _: self.result,
        )
        self._state = RetryCallState(self._retrying, None, (), {})
        self._retrying.begin()

    def pause_before_next(self) -> float | None:
        """Seconds to wait before the next attempt, or None: there is none, and ``result`` has been set."""
        match self._retrying.iter(self._state):
            case DoAttempt():
                return 0.0
            case DoSleep() as pause:
                self._state.prepare_for_next_attempt()
                return float(pause)
            case _:
                return None

    def record(self, result: Result) -> None:
        """How the attempt ended.

        A retry that the deadline cut short says nothing but that time was up. The failure before it says why there was a retry.
        """
        if self._earlier and self._was_cut_short(result):
            result = self._earlier.copy(retry_after=None)  # That wait is over.
        self._earlier = result if isinstance(result, TokenError) else None
        self.result = result
        self._state.set_result(result)

    def _was_cut_short(self, result: Result) -> bool:
        unanswered = isinstance(result, TokenEndpointUnavailableError) and result.status_code is None
        return unanswered and self._clock() >= self._until - CUT_SHORT

    def _wait(self, state: RetryCallState) -> float:
        asked = self.result.retry_after if isinstance(self.result, TokenError) else None
        return max(_backoff(state), asked or 0.0)
