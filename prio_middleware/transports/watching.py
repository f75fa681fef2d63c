"""Sending while components watch, in both colours: what each request is answered with, and that it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ..pipeline import Watcher
from .library import RequestT, ResponseT


def watched(
    send: Callable[[RequestT], ResponseT], watchers: Iterable[Watcher], *, for_token: bool = False
) -> Callable[[RequestT], ResponseT]:
    """``send``, watched by each of ``watchers``; the same function where there are none."""
    for watcher in watchers:
        send = _watched(send, watcher, for_token)
    return send


def awatched(
    send: Callable[[RequestT], Awaitable[ResponseT]], watchers: Iterable[Watcher], *, for_token: bool = False
) -> Callable[[RequestT], Awaitable[ResponseT]]:
    """The same, awaiting."""
    for watcher in watchers:
        send = _awatched(send, watcher, for_token)
    return send


def _watched(send: Callable[[RequestT], ResponseT], watcher: Watcher, for_token: bool) -> Callable[[RequestT], ResponseT]:  # noqa: FBT001 - private
    def watching(request: RequestT) -> ResponseT:
        status: int | None = None
        watcher.on_send(request, for_token=for_token)
        try:
            response = send(request)
            status = response.status_code
        finally:
            watcher.on_sent(request, status)
        return response

    return watching


def _awatched(
    send: Callable[[RequestT], Awaitable[ResponseT]],
    watcher: Watcher,
    for_token: bool,  # noqa: FBT001 - private
) -> Callable[[RequestT], Awaitable[ResponseT]]:
    async def watching(request: RequestT) -> ResponseT:
        status: int | None = None
        watcher.on_send(request, for_token=for_token)
        try:
            response = await send(request)
            status = response.status_code
        finally:
            watcher.on_sent(request, status)
        return response

    return watching
