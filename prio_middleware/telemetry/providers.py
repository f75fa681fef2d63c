"""Protocols by which metrics, snapshots, readiness and the status page ask a token provider for its state.

A token provider need not satisfy any of them: what it does not report is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..errors import TokenError


class TokenState(Protocol):
    """State of one token, without the token. The provider of this package answers with a ``TokenReport``.

    Attributes:
        expires_in: seconds until the token expires, not positive once it has; None without a token.
        lifetime: seconds from the request for the token to its expiry; None without a token.
        failure: error of the last fetch; None if it succeeded.
        failed_ago: seconds since that error.
        cooldown_seconds: seconds until the next fetch is allowed; None if it is allowed now.
        is_usable: True if there is a token that has not expired.
        without_token: True if the client has no usable token, for any options, and its last fetch failed.
        never_tried: True if no fetch has completed with the present credentials.
    """

    @property
    def expires_in(self) -> float | None: ...
    @property
    def lifetime(self) -> float | None: ...
    @property
    def failure(self) -> TokenError | None: ...
    @property
    def failed_ago(self) -> float | None: ...
    @property
    def cooldown_seconds(self) -> float | None: ...
    @property
    def is_usable(self) -> bool: ...
    @property
    def without_token(self) -> bool: ...
    @property
    def never_tried(self) -> bool: ...


class StoreState(Protocol):
    """State of the store where tokens are kept. The provider of this package answers with a ``StoreReport``.

    Attributes:
        kind: ``memory`` if tokens are not shared, else the kind of shared store.
        reachable: True if the last operation succeeded; None before the first.
        circuit: ``closed``, ``open`` or ``half_open``.
        hits: tokens taken from the store.
        published: tokens that the store took.
        not_stored: tokens that the store did not take.
        errors: errors of the token endpoint taken from the store.
        fallbacks: fetches without the store.
        failures: operations that failed.
        last_failure: reason of the last failure.
    """

    @property
    def kind(self) -> str: ...
    @property
    def reachable(self) -> bool | None: ...
    @property
    def circuit(self) -> str: ...
    @property
    def hits(self) -> int: ...
    @property
    def published(self) -> int: ...
    @property
    def not_stored(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def fallbacks(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def last_failure(self) -> str | None: ...


@runtime_checkable
class ReportsToken(Protocol):
    """Token provider that reports the state of its token, without I/O."""

    def report(self) -> TokenState:
        """Return the state of the token."""
        ...


@runtime_checkable
class ReportsStore(Protocol):
    """Token provider that reports the state of the store where it keeps tokens, without I/O."""

    def store_report(self) -> StoreState:
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
