"""The drop-in for ASGI applications: Starlette, FastAPI, and any other.

>>> from starlette.applications import Starlette
>>> from starlette.middleware import Middleware
>>> from prio_middleware.asgi import PrioMiddleware
>>> app = Starlette(middleware=[Middleware(PrioMiddleware)])

In a handler, ``await request.state.prio.get("/products")`` carries a token.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

from anyio import to_thread

from .clients import DEFAULT, AsyncClients, Clients, fetch_tokens
from .dropins import unavailable
from .dropins.asgi_answer import http_messages, route, serve
from .dropins.lifespan import InnerLifespan
from .errors import ConfigurationError, PrioError
from .readiness import answer, readiness
from .settings import Settings
from .status.answers import respond
from .status.look import look

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PrioMiddleware", "ReadyApp", "StatusPage", "clients_of"]


class PrioMiddleware:
    """Gives every request authenticated clients, in ``request.state``.

    - ``prio``: the default client, for ``async def``; ``prio_sync``: the same for ``def``;
    - ``prio_clients["berlin"]`` and ``prio_sync_clients["berlin"]``: named ones.

    They are opened in the lifespan and closed at its end. Where no lifespan is seen (on a mounted application, say) they are
    opened by the first request of an event loop, and closed when the loop ends.

    A :class:`TokenError` or a :class:`BudgetExceededError` that leaves the application before its answer has begun becomes 503
    with ``Retry-After``; on a websocket, the close code 1013. The reason is logged, not sent.

    Args:
        app: the application.
        settings: of the clients; from the environment and the files if left out.
        warm_up: fetch a token for every client at startup, which fails if one is refused. A token endpoint that cannot be
            reached is logged, and the application starts.
        retry_after: seconds to announce with a 503 where the failure knows of none.

    Raises:
        ConfigurationError: at startup, or at the first request where there is no lifespan: the settings are wrong.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings | None = None,
        *,
        warm_up: bool = False,
        retry_after: float = unavailable.RETRY_AFTER,
    ) -> None:
        self.app = app
        self._settings = settings
        self._warm_up = warm_up
        self._retry_after = retry_after
        # The server's own; each request should have a copy, but not every server makes one.
        self._lifespan_state: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] in {"http", "websocket"}:
            await self._connection(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @functools.cached_property
    def _clients(self) -> tuple[AsyncClients, Clients]:
        settings = self._settings or Settings()
        return AsyncClients(settings), Clients(settings)

    async def _connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._equip(scope)
        await serve(self.app, scope, receive, send, self._retry_after)

    def _equip(self, scope: Scope) -> None:
        on_loop, on_threads = self._clients
        here = on_loop.here()
        given: dict[str, Any] = {"prio_clients": here, "prio_sync_clients": on_threads}
        if DEFAULT in here:
            given |= {"prio": here[DEFAULT], "prio_sync": on_threads[DEFAULT]}
        state = scope.get("state")
        if state is None or state is self._lifespan_state:
            state = scope["state"] = dict(state or {})
        state.update(given)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        failure = await self._start()
        if failure:
            await send({"type": "lifespan.startup.failed", "message": str(failure)})
            return
        self._lifespan_state = scope.get("state")
        inner = InnerLifespan(receive, send)
        try:
            await inner.run(self.app, scope)
        finally:
            await self._close()
            if inner.last_word:
                await send(inner.last_word)

    async def _start(self) -> PrioError | None:
        try:
            on_loop, on_threads = self._clients
            here = on_loop.here()
            await to_thread.run_sync(here.open)
            await to_thread.run_sync(on_threads.open)
        except ConfigurationError as error:
            return error.copy()
        return await to_thread.run_sync(fetch_tokens, on_threads.settings) if self._warm_up else None

    async def _close(self) -> None:
        on_loop, on_threads = self._clients
        await on_loop.aclose()
        on_threads.close()


class ReadyApp:
    """Answers whether the clients of this process can serve: 200 or 503, with the details as JSON. See :func:`readiness`.

    It belongs inside a :class:`PrioMiddleware`: ``Route("/ready", ReadyApp())``.

    Args:
        names: the clients that matter; all of them if left out.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        for message in http_messages(*answer(readiness(clients_of(scope), *self._names))):
            await send(message)


class StatusPage:
    """The status page of this process, and its ``status.json``: read only, and with no secret on them.

    Put your own login before it.

    ``Mount("/status", StatusPage())`` in Starlette, ``app.mount("/status", StatusPage())`` in FastAPI.

    Args:
        settings: of the clients to show. If left out, they are those of the :class:`PrioMiddleware` around it.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refuse a websocket."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        elif scope["type"] == "http":
            settings = self._settings or clients_of(scope).settings
            path, mount = route(scope)
            for message in http_messages(*respond(scope["method"], path, mount, functools.partial(look, settings))):
                await send(message)


def clients_of(scope: Scope, key: Literal["prio_clients", "prio_sync_clients"] = "prio_clients") -> Any:
    """What :class:`PrioMiddleware` put into the state of this connection.

    Raises:
        ConfigurationError: it did not, because it is not there.
    """
    try:
        return scope["state"][key]
    except KeyError:
        pass
    raise ConfigurationError(
        "There are no clients here: no PrioMiddleware stands around this application.",
        remedy="Add it: app.add_middleware(PrioMiddleware), from prio_middleware.asgi.",
    )
