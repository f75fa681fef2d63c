"""Which failures of a token request are tried again, and when: tenacity, stepped by hand."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, wait_exponential, wait_random

from ..errors import TokenEndpointUnavailableError, TokenError
from .token import AccessToken

Result = AccessToken | TokenError

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
        """How the attempt ended."""
        self.result = result
        self._state.set_result(result)

    def _wait(self, state: RetryCallState) -> float:
        asked = self.result.retry_after if isinstance(self.result, TokenError) else None
        return max(_backoff(state), asked or 0.0)
