"""What every request passes, whatever it is for: counting, HTTPS only, the limits, faults and delays."""

from __future__ import annotations

import contextlib
import math

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .counts import SeenRequest
from .fault_plan import Spoilt
from .problems import Problem
from .state import State
from .wire import Stall

ADMIN = "/_sandbox/"
"""The path of the admin interface: what goes there passes unseen."""


class Gate:
    """A pure ASGI middleware around the sandbox's routes.

    Args:
        app: the routes.
        state: the sandbox's state.
        base: the path of the API's root.
    """

    def __init__(self, app: ASGIApp, state: State, base: str) -> None:
        self._app = app
        self._state = state
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(ADMIN):
            await self._app(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, seen, caller = self._state, see(scope, self._base), _caller(scope)

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                state.tally.answered(seen, message["status"])
                if 400 <= message["status"] <= 499:
                    state.limits.refused(caller, state.clock(), enforced=state.options.limits)
            await send(message)

        state.tally.arrived(seen, state.clock())
        try:
            # Who hangs up in the middle of his request gets no answer, and deserves no traceback.
            with contextlib.suppress(ClientDisconnect):
                await self._answer(seen, scope["scheme"], caller)(scope, receive, counted_send)
        finally:
            state.tally.left(seen)

    def _answer(self, seen: SeenRequest, scheme: str, caller: str) -> ASGIApp:
        state, options = self._state, self._state.options
        blocked_for = state.limits.admit(caller, state.clock(), enforced=options.limits)
        if blocked_for is not None:
            state.tally.blocked()
            return _blocked(blocked_for)
        if options.https_only and scheme != "https":
            return Problem(403, "HTTPS_REQUIRED", "Plain HTTP is not accepted.").response()
        if seen.token_request:
            return self._app
        app = Stall(state.pauses, options.api_delay, self._app) if options.api_delay else self._app
        fault = state.api_faults.next(seen.route)
        return app if fault is None else state.api_faults.spoil(fault[0], Spoilt(fault[1], state.pauses, app))


def see(scope: Scope, base: str) -> SeenRequest:
    """What is kept of a request."""
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return SeenRequest(
        method=scope["method"],
        path=f"{path}?{query.decode('latin-1')}" if query else path,
        route=path.removeprefix(base),
        host=headers.get(b"host", ""),
        authorization=headers.get(b"authorization"),
        app_headers={name.decode("latin-1"): value for name, value in headers.items() if name.startswith(b"app-")},
    )


def _caller(scope: Scope) -> str:
    """Who is counted for the limits: an IP address."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def _blocked(seconds: float) -> ASGIApp:
    response = Problem(429, "TOO_MANY_REQUESTS", "A limit was exceeded: every call is blocked for a minute.").response()
    response.headers["Retry-After"] = str(math.ceil(seconds))
    return response
