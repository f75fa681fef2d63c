"""Reports of a token provider, and the protocols by which metrics, readiness and the status page ask for them.

A token provider need not satisfy any of them: what it does not report is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..errors import TokenError


@dataclass(frozen=True, slots=True)
class TokenReport:
    """State of one token, without the token.

    Attributes:
        expires_in: seconds until the token expires, not positive once it has; None without a token.
        failure: error of the last fetch; None if it succeeded.
        failed_ago: seconds since that error.
        cooldown_seconds: seconds until the next fetch is allowed after that error; None if it is allowed now.
        fetching: True if a fetch is in progress.
        lifetime: seconds from the request for the token to its expiry; None without a token.
        without_token: True if the client has no usable token, for any options, and its last fetch failed.
        never_tried: True if no fetch has completed with the present credentials.
    """

    expires_in: float | None = None
    failure: TokenError | None = None
    failed_ago: float | None = None
    cooldown_seconds: float | None = None
    fetching: bool = False
    lifetime: float | None = None
    without_token: bool = False
    never_tried: bool = False

    @property
    def is_usable(self) -> bool:
        """True if there is a token that has not expired."""
        return self.expires_in is not None and self.expires_in > 0


@dataclass(slots=True)
class StoreReport:
    """State of the store where tokens are kept. Counts are those of one provider in this process.

    Attributes:
        kind: ``memory`` if tokens are not shared, else the kind of the shared store: ``redis`` or ``file``.
        reachable: True if the last operation succeeded; None before the first.
        circuit: ``closed``; ``open`` while a failure keeps callers away; ``half_open`` when a probe is allowed.
        hits: tokens taken from the store, each of which saved a token request.
        published: tokens that the store took.
        not_stored: tokens that the store did not take: the lease was lost, or the API rejected them meanwhile.
        errors: errors of the token endpoint taken from the store, each of which saved a token request.
        fallbacks: fetches without the store, because it did not answer, or no other process published a token in time.
        failures: operations that failed.
        last_failure: one word for the last of them.
    """

    kind: str = "memory"
    reachable: bool | None = None
    circuit: str = "closed"
    hits: int = 0
    published: int = 0
    not_stored: int = 0
    errors: int = 0
    fallbacks: int = 0
    failures: int = 0
    last_failure: str | None = None


@runtime_checkable
class ReportsToken(Protocol):
    """Token provider that reports the state of its token, without I/O."""

    def report(self) -> TokenReport:
        """Return the state of the token."""
        ...


@runtime_checkable
class ReportsStore(Protocol):
    """Token provider that reports the state of the store where it keeps tokens, without I/O."""

    def store_report(self) -> StoreReport:
        """Return the state of the store. It may start a probe in the background, to learn whether a failed store is back."""
        ...


@runtime_checkable
class StartsFetch(Protocol):
    """Token provider that fetches a token in the background when a readiness probe asks for it."""

    def start_fetch(self, send: Any, /) -> None:
        """Start a fetch, unless there is a token, a cool-down or a fetch in progress. Do not wait for it.

        Args:
            send: sends a token request for the calling client, and returns the response.
        """
        ...

    async def astart_fetch(self, send: Any, /) -> None:
        """Do the same for a task."""
        ...


@runtime_checkable
class HasTokenURL(Protocol):
    """Token provider that fetches tokens from a URL."""

    @property
    def token_url(self) -> str: ...
