"""Running an ASGI application whose want of a token is answered with 503 or 1013, as long as its own answer has not begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import unavailable
from .unavailable import UNAVAILABLE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .unavailable import Unavailable


async def serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send, retry_after: float) -> None:
    """Run ``app`` for one connection. ``retry_after``: seconds to announce with a 503 where the failure knows of none."""
    failure = await _run(app, scope, _Answer(receive, send))
    if failure:
        unavailable.log(failure)
        for message in _refusal(scope, unavailable.headers(failure, retry_after)):
            await send(message)


def http_messages(status: int, headers: dict[str, str], body: bytes) -> list[Message]:
    """An HTTP answer as ASGI spells it."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [{"type": "http.response.start", "status": status, "headers": raw}, {"type": "http.response.body", "body": body}]


def route(scope: Scope) -> tuple[str, str]:
    """The path below the place where an application is mounted, and that place.

    The path includes the place (ASGI HTTP specification, ``root_path``), but not every router leaves it there.
    """
    path, mount = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(mount) :] if f"{path}/".startswith(f"{mount}/") else path, mount


class _Answer:
    """Whether the answer to a connection has begun, or cannot be given any more."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.begun |= message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        self.begun |= message["type"] in {"http.response.start", "websocket.close", "websocket.http.response.start"}
        await self._send(message)


async def _run(app: ASGIApp, scope: Scope, answer: _Answer) -> Unavailable | None:
    """Run the application. Returns the failure that it leaves to be answered."""
    try:
        await app(scope, answer.receive, answer.send)
    except (*UNAVAILABLE, ExceptionGroup) as error:
        failure = unavailable.failure_of(error)
        if failure is None or answer.begun:
            raise
        return failure.copy()
    return None


def _refusal(scope: Scope, headers: dict[str, str]) -> list[Message]:
    if scope["type"] == "websocket":
        return [{"type": "websocket.close", "code": unavailable.TRY_AGAIN_LATER, "reason": unavailable.REASON}]
    return http_messages(unavailable.STATUS, headers, unavailable.BODY)
