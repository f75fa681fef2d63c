"""Decisions about a token: use it, fetch another, or fail without a fetch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import TokenError
from .access_token import AccessToken, TokenOptions


@dataclass(frozen=True, slots=True)
class Failure:
    """The last fetch that failed. Both moments are seconds of the provider's clock."""

    error: TokenError
    failed_at: float
    retry_at: float  # No fetch begins before.
    pause: float = 0.0  # Seconds after a transient failure, not counting the server's ``Retry-After``; 0 for a permanent one.


@dataclass(frozen=True, slots=True)
class UseAndRefresh:
    """Use this token, and start the fetch of the next one."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class Fetch:
    """Start the fetch of a new token, or join the one in progress."""

    fallback: AccessToken | None = None  # It still works if the fetch fails.
    not_before: float = 0.0  # Moment of the provider's clock before which no fetch begins. One in progress may be joined.


Decision = AccessToken | Failure | UseAndRefresh | Fetch
"""A token: use it. A failure: do not fetch, because it is too recent."""


def decide(
    token: AccessToken | None,
    rejected: AccessToken | None,
    failure: Failure | None,
    now: float,
    *,
    ahead: bool = False,
    not_before: float = 0.0,
) -> Decision:
    """Return what to do for one caller.

    Args:
        token: the cached token for the caller's options.
        rejected: the token that the API rejected for this caller, if any: only a newer one helps.
        failure: the last failed fetch, if none succeeded since.
        now: the provider's clock, in seconds.
        ahead: fetch the next token in the background when it is due, while callers use the present one.
        not_before: moment before which no fetch begins, because the last one was interrupted.
    """
    fallback = usable(token, rejected, now)
    if fallback and (now < fallback.fresh_until or now < not_before):
        return fallback
    if failure and now < failure.retry_at:
        return fallback or failure
    if fallback and ahead:
        return UseAndRefresh(fallback)
    return Fetch(fallback, not_before)


def usable(token: AccessToken | None, rejected: AccessToken | None, now: float) -> AccessToken | None:
    """Return ``token`` if it has not expired and may be sent after ``rejected``."""
    return token if token is not None and token.expires_at > now and is_newer(token, rejected) else None


def is_newer(token: AccessToken, rejected: AccessToken | None) -> bool:
    """Return whether ``token`` is newer than ``rejected``, if there is one. An unchanged token is not: it is for new calls."""
    return rejected is None or (token.serial > rejected.serial and token.unchanged is None)


def fetch_seconds(deadline_seconds: float, fallback: AccessToken | None, now: float) -> float:
    """Return the seconds that a fetch may take in its caller's own thread or task.

    A caller with a usable token uses it if the fetch fails, so the fetch may take half of the token's remaining life, unless
    that is less than 1 s.
    """
    half = math.inf if fallback is None else (fallback.expires_at - now) / 2
    return min(deadline_seconds, half) if half >= 1 else deadline_seconds


Reason = Literal["initial", "expiring", "rejected", "forced"]
"""Reason of a fetch, as telemetry names it. ``forced``: the credentials were replaced."""

OPTIONS_LIMIT = 1024  # Number of options whose failures, or the removal of whose tokens, are remembered.


class RemovedTokens:
    """The reasons for which tokens were removed from the cache: the last one for each options."""

    def __init__(self) -> None:
        self._reasons: dict[TokenOptions, Reason] = {}

    def record(self, removed: Iterable[TokenOptions], reason: Reason) -> None:
        """Remember that the tokens for the ``removed`` options were removed."""
        if len(self._reasons) >= OPTIONS_LIMIT:
            self._reasons.clear()
        self._reasons.update(dict.fromkeys(removed, reason))

    def pop(self, options: TokenOptions) -> Reason | None:
        """Return the reason for ``options``, and forget it."""
        return self._reasons.pop(options, None)


def is_after_rejection(removed: Reason | None, cached: AccessToken | None, rejected: AccessToken | None) -> bool:
    """Return whether a fetch replaces a token that the API rejected: for this caller, for others, or by its value."""
    if rejected:
        return True
    return cached.unchanged is not None if cached else removed == "rejected"
