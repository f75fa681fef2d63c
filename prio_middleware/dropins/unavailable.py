"""What a call becomes that could not be made for now: 503 Service Unavailable, and when to come back (RFC 9110 §15.6.4)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

from ..errors import BudgetExceededError, TokenError

logger = logging.getLogger("prio_middleware")

UNAVAILABLE = (TokenError, BudgetExceededError)
"""There was no token, or nothing left of the budget: not the application's own fault, and over after a while."""

Unavailable = TokenError | BudgetExceededError

RETRY_AFTER = 10.0
"""Seconds that are announced where the failure knows of none."""

STATUS, REASON = 503, "Service Unavailable"
BODY = b"Service Unavailable\n"

TRY_AGAIN_LATER = 1013
"""The same as a close code of the WebSocket protocol, in its IANA registry."""


def failure_of(error: Exception) -> Unavailable | None:
    """The error of that kind that ``error`` is, or that a group consists of: the one that lasts longest. None for any other.

    A task group raises a group even where one task failed; one with another error in it is the application's own affair.
    """
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, UNAVAILABLE) else None
    failures, others = error.split(UNAVAILABLE)
    return max(_leaves(failures), key=lambda failure: failure.retry_after or 0) if failures and not others else None


def headers(failure: Unavailable, retry_after: float) -> dict[str, str]:
    """The headers of the answer.

    Args:
        failure: what happened.
        retry_after: seconds to announce where it knows of none.
    """
    seconds = retry_after if failure.retry_after is None else failure.retry_after
    return {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(BODY)),
        "Retry-After": str(max(1, math.ceil(seconds))),
    }


def log(failure: Unavailable) -> None:
    """Tell the operator what the caller is not told."""
    logger.warning("Answered 503: %s", failure, extra={"client": failure.client})


def _leaves(group: ExceptionGroup[Any]) -> Iterator[Unavailable]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
