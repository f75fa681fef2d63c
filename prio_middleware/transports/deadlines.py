"""Deadlines of token requests: the timeouts of their steps, and the end of their connections, whatever the server sends.

The timeouts of an HTTP library limit each wait for bytes, not their sum: slow headers, endless 1xx responses or chunk
extensions pass them. Shutting a socket down wakes a thread that reads from it; closing it from another thread does not.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Any

from .._util.clock import monotonic
from ..oauth.token_request import TokenRequest

STEPS = ("connect", "read", "write", "pool")  # Steps of a request that have a timeout of their own.
MINIMUM_TIMEOUT = 0.001  # Seconds. A socket takes 0 for "do not wait", which raises another error than a timeout.


class Timeouts(dict[str, float]):
    """Timeouts with a common deadline, for ``request.extensions["timeout"]``. The library reads it at the start of each step.

    Waiting for the pool, the connection and the response are separate steps with separate timeouts. Each step gets the time
    that the earlier ones left, so that all end at the deadline.

    Args:
        each: maximum seconds of one step.
        total: maximum seconds of all steps, from now.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, each: float, total: float, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(dict.fromkeys(STEPS, each))
        self._until = clock() + total
        self._clock = clock

    def get(self, step: str, default: Any = None, /) -> Any:
        """Return the timeout of ``step`` in seconds, if it starts now."""
        if step not in self:
            return default
        return max(MINIMUM_TIMEOUT, min(self[step], self._until - self._clock()))


CONNECTED = ("connect_tcp.complete", "connect_unix_socket.complete")
"""Events of httpcore's ``trace`` extension that carry a new connection (https://www.encode.io/httpcore/extensions/#trace)."""


class Cutoff:
    """Connections of one request. Transports without the ``trace`` extension report none."""

    def __init__(self) -> None:
        self.is_cut = False
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record a new connection. Passed as ``extensions["trace"]`` of a request to a sync transport."""
        if event.endswith(CONNECTED):
            connection = info["return_value"].get_extra_info("socket")
            # TLS detaches the descriptor from this socket object, so only a duplicate can be shut down during a handshake.
            self._sockets.append(connection.dup())
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        """Shut the connections down. May run in any thread."""
        self.is_cut = True
        for connection in list(self._sockets):
            with suppress(OSError):  # Closed already, or never connected.
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the duplicated descriptors."""
        while self._sockets:
            self._sockets.pop().close()


@contextmanager
def cutting_off(request: TokenRequest) -> Generator[Cutoff]:
    """Shut down the connections of ``request`` at its deadline, or when its fetch is stopped.

    Do neither if the fetch runs in the caller's thread (``request.stop`` is None): a timer needs a thread, and none can be
    started.
    """
    with closing(Cutoff()) as cutoff:
        if request.stop is None:
            yield cutoff
            return
        alarm = threading.Timer(request.total_seconds, cutoff.cut)
        alarm.daemon, alarm.name = True, "prio_middleware.deadline"
        with request.stop.cutting(cutoff.cut):
            alarm.start()
            try:
                yield cutoff
            finally:
                alarm.cancel()


@asynccontextmanager
async def closing_connections() -> AsyncGenerator[Callable[..., Awaitable[None]]]:
    """Yield a ``trace`` extension that records new connections, and close these if the block is cancelled.

    An HTTP library that is cancelled during a TLS handshake leaves the connection to the garbage collector.
    """
    opened: list[Any] = []

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(CONNECTED):
            opened.append(info["return_value"])

    import anyio

    try:
        yield trace
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            for connection in opened:
                await connection.aclose()
        raise
