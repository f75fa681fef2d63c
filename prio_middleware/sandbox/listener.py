"""uvicorn, made to measure: it runs in a thread, stops within a second or so, and lets a fault reach the connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .wire import TRANSPORT

BACKLOG = 4096
"""Connections that may wait to be accepted: a thousand clients come at once here."""

_GRACE = 0.5
_KEEP_ALIVE = 75


class _Protocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport

    def shutdown(self) -> None:
        """End an idle connection at once: over TLS a polite end waits for the other side's answer."""
        super().shutdown()
        if self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self.servers = []  # uvicorn would wait for connections that never finish their TLS handshake
        last_call = asyncio.get_running_loop().call_later(_GRACE, self._abort)
        await super().shutdown(sockets)
        last_call.cancel()

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Listener:
    """Serves an application on a socket, from a thread of its own.

    Args:
        app: the application.
        sock: a listening socket; the listener closes it.
        tls: the server's TLS, or None for plain HTTP.
    """

    def __init__(self, app: ASGIApp, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=5,
        )
        config.load()
        config.ssl = tls
        self._server = _Server(config)
        self._socket = sock
        self._thread = threading.Thread(target=self._run, name="prio-sandbox", daemon=True)

    def start(self) -> None:
        """Serve. Returns when connections are accepted."""
        self._thread.start()
        self._server.ready.wait()

    def stop(self) -> None:
        """End every connection and the thread."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._server.ready.set()
