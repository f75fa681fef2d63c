"""The lifespan of a wrapped ASGI application: heard, answered for where it cannot, and its last word kept back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .unavailable import logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class InnerLifespan:
    """Runs an application's lifespan after the server's ``lifespan.startup`` was received on its behalf.

    Args:
        receive: the server's.
        send: the server's.

    Attributes:
        last_word: what ends the conversation with the server, once the application has returned: it is to be sent when
            everything is closed, because the server may stop the loop as soon as it hears it.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._heard = False
        self._started = False
        self.last_word: Message | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the application until it is shut down; what does not know the lifespan (Django, say) is waited for."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._heard:
                raise
            logger.info("The application has no lifespan of its own: it raised %s.", type(error).__name__)
        if self.last_word is None:
            await self._answer_for_it()

    async def receive(self) -> Message:
        """What the application hears."""
        if self._heard:
            return await self._receive()
        self._heard = True
        return {"type": "lifespan.startup"}

    async def send(self, message: Message) -> None:
        """What the application says."""
        if message["type"] == "lifespan.startup.complete":
            self._started = True
            await self._send(message)
        else:
            self.last_word = message

    async def _answer_for_it(self) -> None:
        if not self._started:
            await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        self.last_word = {"type": "lifespan.shutdown.complete"}
