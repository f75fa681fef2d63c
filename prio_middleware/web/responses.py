"""HTTP responses of every framework: the common form, and 503 with ``Retry-After`` for a token failure (RFC 9110 §15.6.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple, overload

from ..errors import BudgetExceededError, TokenError, UnknownAccountError
from ..telemetry.logs import log_failure


class Answer(NamedTuple):
    """HTTP response, in the order of arguments that ``Response`` of Starlette and Flask takes."""

    body: bytes
    status: int
    headers: dict[str, str]

    def to(self, method: str) -> Answer:
        """Return the response to a request of ``method``: without the body for HEAD (RFC 9110 §9.3.2)."""
        return self._replace(body=b"") if method == "HEAD" else self


UNAVAILABLE = (TokenError, BudgetExceededError)
"""Temporary failures that are not the application's fault: no token, or no budget left."""

Unavailable = TokenError | BudgetExceededError

RETRY_AFTER = 10.0  # Seconds of ``Retry-After`` if the failure does not give them.

CLOSE_CODES = {503: 1013, 404: 1008}
"""WebSocket close codes by status, from the IANA registry: try again later, and policy violation."""


def failure_of(error: Exception) -> Unavailable | None:
    """Return the failure to answer with 503: ``error``, or the failure in a group with the longest ``retry_after``.

    Return None for any other error, and for a group that holds another error.
    """
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, UNAVAILABLE) else None
    failures, others = error.split(UNAVAILABLE)
    return max(_leaves(failures), key=lambda failure: failure.retry_after or 0) if failures and not others else None


@overload
def unavailable(error: Unavailable, *, retry_after: float = ...) -> Answer: ...
@overload
def unavailable(error: Exception, *, retry_after: float = ...) -> Answer | None: ...
def unavailable(error: Exception, *, retry_after: float = RETRY_AFTER) -> Answer | None:
    """Return the response to a failed request. Log the reason, which the response does not show.

    It is 404 for an account that does not exist, and 503 if there is no token or no budget left.

    Args:
        error: the error of the call: a :class:`TokenError`, a :class:`BudgetExceededError`, or an exception group of these. For
            any other error the result is None.
        retry_after: seconds of ``Retry-After`` if the failure does not give them.
    """
    failure = failure_of(error)
    if failure is None:
        return None
    status = HTTPStatus.NOT_FOUND if isinstance(failure, UnknownAccountError) else HTTPStatus.SERVICE_UNAVAILABLE
    log_failure(
        "Answered %s: %s", int(status), failure, event="unavailable", client=failure.client, kind=type(failure).__name__
    )
    body = f"{status.phrase}\n".encode()
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = retry_after if failure.retry_after is None else failure.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return Answer(body, status, headers)


def _leaves(group: ExceptionGroup[Any]) -> Iterator[Unavailable]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
