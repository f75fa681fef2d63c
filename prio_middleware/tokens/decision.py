"""What to do for a caller who needs a token: decided from what is known, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import TokenError
from .token import AccessToken


@dataclass(frozen=True, slots=True)
class Failure:
    """The last fetch that failed.

    Attributes:
        error: what went wrong.
        at: when, on the provider's clock.
        until: no early refresh is tried before this moment of the provider's clock.
        holds_back: nor is any other fetch: the server would say the same again.
    """

    error: TokenError
    at: float
    until: float
    holds_back: bool


@dataclass(frozen=True, slots=True)
class Use:
    """This token will do."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class UseAndRefresh:
    """This token will do, and it is time that somebody fetches the next one."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class HoldBack:
    """No fetch now: this failure was seen a moment ago."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Fetch:
    """A new token is needed: lead the fetch, or join the one under way.

    Attributes:
        fallback: a token that still works if the fetch fails.
    """

    fallback: AccessToken | None = None


Decision = Use | UseAndRefresh | HoldBack | Fetch
NEED_TOKEN: Final = Fetch()


def decide(
    token: AccessToken | None, stale: AccessToken | None, failure: Failure | None, now: float, *, ahead: bool = False
) -> Decision:
    """What to do for one caller.

    Args:
        token: the token that is kept for the caller's key.
        stale: the token the caller was refused with, if any: only a newer one helps.
        failure: the last failed fetch, if nothing succeeded since.
        now: the provider's clock, in seconds.
        ahead: tokens are refreshed early, beside the callers, who go on using the one they have.
    """
    fallback = usable(token, stale, now)
    if fallback and now < fallback.fresh_until:
        return Use(fallback)
    if failure and now < failure.until:
        if fallback:
            return Use(fallback)
        if failure.holds_back:
            return HoldBack(failure)
    if fallback and ahead:
        return UseAndRefresh(fallback)
    return Fetch(fallback) if fallback else NEED_TOKEN


def usable(token: AccessToken | None, stale: AccessToken | None, now: float) -> AccessToken | None:
    """``token``, if it has not expired and is newer than the one that was refused."""
    return token if token and now < token.expires_at and (stale is None or token.serial > stale.serial) else None


def budget(deadline: float, fallback: AccessToken | None, now: float) -> float:
    """Seconds that a fetch may take in all.

    Who still holds a token that works waits only half of its remaining life: it is there to be used if the fetch fails.
    """
    if fallback is None:
        return deadline
    half = (fallback.expires_at - now) / 2
    return min(deadline, half) if half >= 1 else deadline
