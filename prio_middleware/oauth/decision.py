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
    """The last fetch that failed. Both moments are seconds of the provider's clock.

    Attributes:
        retry_at: no fetch begins before this moment.
        pause: seconds after a transient failure, apart from the server's ``Retry-After``; 0 for a permanent failure.
    """

    error: TokenError
    failed_at: float
    retry_at: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Use:
    """Use this token."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class UseAndRefresh:
    """Use this token, and start the fetch of the next one."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Do not fetch: this failure is too recent."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Fetch:
    """Start the fetch of a new token, or join the one in progress.

    Attributes:
        fallback: a token that still works if the fetch fails.
        not_before: moment of the provider's clock before which no fetch begins; one in progress may be joined.
    """

    fallback: AccessToken | None = None
    not_before: float = 0.0


Decision = Use | UseAndRefresh | CoolDown | Fetch


def decide(
    token: AccessToken | None,
    stale: AccessToken | None,
    failure: Failure | None,
    now: float,
    *,
    ahead: bool = False,
    not_before: float = 0.0,
) -> Decision:
    """Return what to do for one caller.

    Args:
        token: the cached token for the caller's key.
        stale: the token that the API rejected for this caller, if any: only a newer one helps.
        failure: the last failed fetch, if none succeeded since.
        now: the provider's clock, in seconds.
        ahead: fetch the next token in the background when it is due, while callers use the present one.
        not_before: moment before which no fetch begins, because the last one was interrupted.
    """
    fallback = usable(token, stale, now)
    if fallback and (now < fallback.fresh_until or now < not_before):
        return Use(fallback)
    if failure and now < failure.retry_at:
        return Use(fallback) if fallback else CoolDown(failure)
    if fallback and ahead:
        return UseAndRefresh(fallback)
    return Fetch(fallback, not_before)


def usable(token: AccessToken | None, stale: AccessToken | None, now: float) -> AccessToken | None:
    """Return ``token`` if it has not expired and is newer than ``stale``, the rejected one.

    A token that the server returned again, although the API had rejected it, is usable for new calls only.
    """
    if token is None or token.expires_at <= now:
        return None
    return token if stale is None or (token.serial > stale.serial and token.unchanged is None) else None


def fetch_seconds(deadline_seconds: float, fallback: AccessToken | None, now: float) -> float:
    """Return the seconds that a fetch may take in its caller's own thread or task.

    A caller with a usable token uses it if the fetch fails, so the fetch may take half of the token's remaining life, unless
    that is less than 1 s.
    """
    half = math.inf if fallback is None else (fallback.expires_at - now) / 2
    return min(deadline_seconds, half) if half >= 1 else deadline_seconds


Reason = Literal["initial", "expiring", "rejected", "forced"]
"""Reason of a fetch, as telemetry names it."""


KEYS_LIMIT = 1024
"""Number of keys whose failures, or whose dropped tokens, are remembered."""


class DroppedTokens:
    """The reason for which the last token of each key was dropped from the cache."""

    def __init__(self) -> None:
        self._reasons: dict[TokenOptions, Reason] = {}

    def record(self, keys: Iterable[TokenOptions], reason: Reason) -> None:
        """Remember that the tokens of ``keys`` were dropped."""
        if len(self._reasons) >= KEYS_LIMIT:
            self._reasons.clear()
        self._reasons.update(dict.fromkeys(keys, reason))

    def pop(self, key: TokenOptions) -> Reason | None:
        """Return the reason for ``key``, and forget it."""
        return self._reasons.pop(key, None)


def is_after_rejection(dropped: Reason | None, cached: AccessToken | None, stale: AccessToken | None) -> bool:
    """Return whether a fetch replaces a token that the API rejected: for this caller, for others, or by its value."""
    if stale:
        return True
    return cached.unchanged is not None if cached else dropped == "rejected"
