"""Memory of failed fetches."""

from __future__ import annotations

from ..errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from .access_token import TokenOptions
from .decision import OPTIONS_LIMIT, Failure

RETRY_AFTER_LIMIT = 60.0  # Longest delay in seconds that a server's ``Retry-After`` may cause: it may be wrong.
FIRST_COOLDOWN = 1.0  # Seconds without a fetch after a transient failure. Each further failure in a row doubles them.
LONGEST_COOLDOWN = 10.0  # Maximum of these seconds.
PACE = 1.0  # Seconds from the start of an interrupted fetch to the next one: the token endpoint is not to blame.


class Failures:
    """The last failures of one provider, by options. An error about the credentials counts for all options."""

    def __init__(self, failure_cooldown: float) -> None:
        self._failure_cooldown = failure_cooldown  # Seconds for which a permanent failure is not retried.
        self.clear()

    def clear(self) -> None:
        """Forget every failure: there are new credentials."""
        self._failures: dict[TokenOptions | None, Failure] = {}
        self._interrupted: dict[TokenOptions, float] = {}
        self._lost: object = None
        self.may_retry = True  # A fetch may retry transient failures. False after a fetch that failed with all its retries.
        self.last_failed = False  # The last fetch failed, whatever its options.

    def get(self, options: TokenOptions) -> Failure | None:
        """Return the failure that delays fetches for ``options`` longest."""
        known = (self._failures.get(None), self._failures.get(options))
        return max(filter(None, known), key=lambda failure: failure.retry_at, default=None)

    def has(self, options: TokenOptions) -> bool:
        """Return whether a failure for these options alone is remembered."""
        return options in self._failures

    def record(self, options: TokenOptions, error: TokenError, now: float) -> None:
        """Delay the next fetch because of ``error``. After a transient one, that fetch does not retry."""
        self.last_failed = True
        if len(self._failures) >= OPTIONS_LIMIT:
            self._failures.clear()
        about = None if isinstance(error, CredentialsRefusedError) else options
        if isinstance(error, TokenEndpointUnavailableError):
            before = self._failures.get(about)
            pause = min(max(FIRST_COOLDOWN, 2 * before.pause), LONGEST_COOLDOWN) if before else FIRST_COOLDOWN
            retry_after = min(error.retry_after or pause, RETRY_AFTER_LIMIT)
            self._failures[about] = Failure(error, now, now + max(pause, retry_after), pause)
            self.may_retry = False
        else:
            self._failures[about] = Failure(error, now, now + self._failure_cooldown)

    def record_interruption(self, options: TokenOptions, began: float) -> None:
        """Remember that a fetch ended without an outcome. ``began`` is the moment at which it began."""
        if len(self._interrupted) >= OPTIONS_LIMIT:
            self._interrupted.clear()
        self._interrupted[options] = began

    def not_before(self, options: TokenOptions) -> float:
        """Return the moment before which no fetch for ``options`` begins, because the last one was interrupted."""
        began = self._interrupted.get(options)
        return 0.0 if began is None else began + PACE

    def record_lost(self, fetch: object) -> bool:
        """Record a fetch that ran past its deadline. Return whether it may be retried at once: the first in a row.

        This process may have been stopped for a while. From the second one on, the token endpoint is at fault.
        """
        if self._lost is None:
            self._lost = fetch
        return self._lost is fetch

    def forget(self, options: TokenOptions) -> None:
        """Forget the failures of ``options``: a fetch for them succeeded."""
        self._failures.pop(options, None)
        self._failures.pop(None, None)
        self._interrupted.pop(options, None)
        self._lost = None
        self.may_retry = True
        self.last_failed = False
