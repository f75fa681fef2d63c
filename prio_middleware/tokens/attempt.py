"""One attempt at a token, as steps."""

from __future__ import annotations

from collections.abc import Callable

from .effects import Post, Steps
from .endpoint import TokenAnswer, TokenEndpoint
from .retrying import Result
from .token import TokenOptions


def request_token(endpoint: TokenEndpoint, key: TokenOptions, until: float, clock: Callable[[], float]) -> Steps[Result]:
    """Ask for a token once.

    Args:
        endpoint: where, and with which credentials.
        key: what to ask for.
        until: the moment of ``clock`` at which the whole fetch is given up.
        clock: seconds of a monotonic clock.
    """
    asked_at = clock()
    request = endpoint.request(key, until, asked_at)
    answer: TokenAnswer = yield Post(request)
    return endpoint.read(answer, asked_at, request)
