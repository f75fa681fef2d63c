"""Lifespan of a wrapped ASGI application, also if the application has none or fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..telemetry.logs import log

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FAILED = frozenset({"lifespan.startup.failed", "lifespan.shutdown.failed"})


class InnerLifespan:
    """Lifespan of an application, after the middleware received the server's ``lifespan.startup``.

    ``close`` closes the application's clients. It is awaited before the server gets the application's last message, because the
    server may stop the loop after that.
    """

    def __init__(self, receive: Receive, send: Send, close: Callable[[], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._close = close
        self._received: set[str] = set()
        self._started = False
        self._last_message: Message | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the application until shutdown. If it has no lifespan, as Django, answer the server in its place.

        Raise RuntimeError if the application reported a failure without raising it: test clients wait for an exception.
        """
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            over = isinstance(error, _OverError) or (isinstance(error, ExceptionGroup) and error.split(_OverError)[1] is None)
            if not over:
                if self._received or self._last_message:
                    raise
                message = "The application has no lifespan of its own: it raised %s."
                log(logging.INFO, message, type(error).__name__, event="no_lifespan")
        if self._last_message is None:
            await self._answer_server()
        elif self._last_message["type"] in _FAILED:
            what = self._last_message["type"].removeprefix("lifespan.").replace(".", " ")
            raise RuntimeError(f"The application's {what}: {self._last_message.get('message') or 'it gave no reason'}")

    async def receive(self) -> Message:
        """Return the next message to the application."""
        if self._last_message is not None:
            raise _OverError
        message: Message = await self._receive() if self._received else {"type": "lifespan.startup"}
        self._received.add(message["type"])
        return message

    async def send(self, message: Message) -> None:
        """Send the application's message to the server."""
        if message["type"] == "lifespan.startup.complete":
            self._started = True
        else:
            self._last_message = message
            await self._close()
        await self._send(message)

    async def _answer_server(self) -> None:
        if not self._started:
            await self._send({"type": "lifespan.startup.complete"})
        if "lifespan.shutdown" not in self._received:
            await self._receive()
        await self._close()
        await self._send({"type": "lifespan.shutdown.complete"})


class _OverError(Exception):
    """The application waits for a message after its last one, which no server sends."""
