"""Middleware for ASGI applications: Starlette, FastAPI and others.

>>> from starlette.applications import Starlette
>>> from starlette.middleware import Middleware
>>> from prio_middleware.asgi import PrioMiddleware
>>> app = Starlette(middleware=[Middleware(PrioMiddleware)])

In a handler, ``await request.state.prio.get("/products")`` carries a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from anyio import to_thread
from starlette.responses import Response
from starlette.websockets import WebSocketClose

from .errors import ConfigurationError, PrioError
from .settings import Settings
from .web.clients import DEFAULT, Clients, check, fetch_tokens
from .web.event_loops import AsyncClients
from .web.lifespan import InnerLifespan
from .web.readiness import answer, aprobe
from .web.request_account import RequestAccount, serving
from .web.responses import CLOSE_CODES, RETRY_AFTER, UNAVAILABLE, failure_of, unavailable
from .web.status.page import Addressed, respond, route
from .web.status.report import read_status

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PrioMiddleware", "ReadyApp", "StatusPage", "clients_of"]


class PrioMiddleware:
    """Middleware that gives every request authenticated clients, in ``request.state``.

    - ``prio``: the default client, for ``async def``; ``prio_sync``: the same for ``def``;
    - ``prio_clients["berlin"]`` and ``prio_sync_clients["berlin"]``: named ones.

    A client is opened at its first use. The lifespan checks that each can be made, and closes those that were opened. Without a
    lifespan, for example in a mounted application, the end of the event loop closes them.

    If the application raises a :class:`TokenError` or a :class:`BudgetExceededError` before its response starts, the response
    is 503 with ``Retry-After``, or the close code 1013 on a websocket. For an :class:`UnknownAccountError` it is 404, or 1008.
    The reason is logged, not sent.

    Args:
        settings: settings of the clients; default: from the environment and the files.
        warm_up: fetch a token for every client at startup, which fails if the token endpoint answers with an error. An
            unreachable token endpoint is logged, and the application starts.
        retry_after: seconds of ``Retry-After`` of a 503 if the failure does not give them.
        account: returns the account of a request by its scope, or None for the client's own. It is called for each call by the
            request's clients that names no account, so it should be quick. A call outside a request must name its account.

    Raises:
        ConfigurationError: at startup, or without a lifespan at the first request: the settings are wrong.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings | None = None,
        *,
        warm_up: bool = False,
        retry_after: float = RETRY_AFTER,
        account: Callable[[Scope], str | None] | None = None,
    ) -> None:
        self.app = app
        self._settings = settings
        self._warm_up = warm_up
        self._retry_after = retry_after
        self._account = None if account is None else RequestAccount(account)
        self._clients: tuple[AsyncClients, Clients] | None = None
        # The server's own state. Each request should have a copy, but not every server makes one.
        self._lifespan_state: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] in {"http", "websocket"}:
            self._add_clients(scope, *(self._clients or await self._make_clients()))
            with serving(self._account, scope):
                await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _make_clients(self) -> tuple[AsyncClients, Clients]:
        """Read the settings in a worker thread, because a named pipe may block."""
        settings = await to_thread.run_sync(Settings) if self._settings is None else self._settings
        self._clients = self._clients or (AsyncClients(settings, self._account), Clients(settings, self._account))
        return self._clients

    def _add_clients(self, scope: Scope, on_loop: AsyncClients, on_threads: Clients) -> None:
        here = on_loop.here()
        clients: dict[str, Any] = {"prio_clients": here, "prio_sync_clients": on_threads}
        if DEFAULT in here:
            clients |= {"prio": here[DEFAULT], "prio_sync": on_threads[DEFAULT]}
        state = scope.get("state")
        if state is None or state is self._lifespan_state:
            state = scope["state"] = dict(state or {})
        state.update(clients)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        response, failure = _Response(receive, send), None
        try:
            await self.app(scope, response.receive, response.send)
        except (*UNAVAILABLE, ExceptionGroup) as error:
            failure = failure_of(error)
            if failure is None or response.begun:
                raise
            failure = failure.copy()
        if failure:
            reply = unavailable(failure, retry_after=self._retry_after)
            close = WebSocketClose(CLOSE_CODES[reply.status], HTTPStatus(reply.status).phrase)
            await (close if scope["type"] == "websocket" else Response(*reply.to(scope["method"])))(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            failure = await self._start()
            if failure is None:
                self._lifespan_state = scope.get("state")
                await InnerLifespan(receive, send, self._close).run(self.app, scope)
        finally:
            await self._close()
        if failure:
            message = str(failure) if isinstance(failure, PrioError) else f"Clients not made: {type(failure).__name__}."
            await send({"type": "lifespan.startup.failed", "message": message})
            raise failure  # Starlette's TestClient hangs if this returns instead.

    async def _start(self) -> Exception | None:
        """Check the clients. Return an error, because a traceback from here would show the settings."""
        try:
            settings = (await self._make_clients())[0].settings
            failure = await to_thread.run_sync(check, settings)
        except ConfigurationError as error:
            return error.copy()
        except Exception as error:  # noqa: BLE001 - a server with an optional lifespan would serve despite it
            return error.with_traceback(None)
        return await to_thread.run_sync(fetch_tokens, settings) if self._warm_up and not failure else failure

    async def _close(self) -> None:
        if self._clients:
            on_loop, on_threads = self._clients
            await on_loop.aclose()
            on_threads.close()


class _Response:
    """Response to one connection. ``begun`` is True once it cannot be replaced any more."""

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


class ReadyApp:
    """ASGI application that answers 200 if the clients of this process are ready, else 503. See :func:`aprobe`.

    Mount it inside a :class:`PrioMiddleware`: ``Route("/ready", ReadyApp())``.

    Args:
        names: the clients to check; all of them if left out.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(*answer(await aprobe(clients_of(scope), *self._names)).to(scope["method"]))(scope, receive, send)


class StatusPage:
    """Read-only status page of this process, with ``status.json``. It shows no secrets.

    Put your own login in front of it.

    ``Mount("/status", StatusPage())`` in Starlette, ``app.mount("/status", StatusPage())`` in FastAPI.

    Args:
        settings: settings of the clients to show; those of the surrounding :class:`PrioMiddleware` if left out.
        hosts: host names of the page if it is served on a loopback address, for example behind a proxy on this machine.
            ``localhost`` and addresses are always allowed there. Elsewhere the host is not checked.
    """

    def __init__(self, settings: Settings | None = None, *, hosts: Iterable[str] = ()) -> None:
        self._settings = settings
        self._hosts = tuple(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        elif scope["type"] == "http":
            settings = self._settings or clients_of(scope).settings
            host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
            addressed = Addressed(host, (scope.get("server") or (None,))[0], self._hosts)
            query = scope.get("query_string", b"").decode("latin-1")
            page = respond(scope["method"], *route(scope), lambda: read_status(settings), addressed, query)
            await Response(*page)(scope, receive, send)


def clients_of(scope: Scope, key: Literal["prio_clients", "prio_sync_clients"] = "prio_clients") -> Any:
    """Return the clients that :class:`PrioMiddleware` put into the state of this connection.

    Raises:
        ConfigurationError: the application is not inside a :class:`PrioMiddleware`.
    """
    try:
        return scope["state"][key]
    except KeyError:
        pass
    raise ConfigurationError(
        "This application is not inside a PrioMiddleware, so it has no clients.",
        remedy="Add it: app.add_middleware(PrioMiddleware), from prio_middleware.asgi.",
    )
