"""Listener of the sandbox: certificates, and a server in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import time
from dataclasses import dataclass

import trustme
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .api import SandboxApp
from .sandbox_options import Certificate, Listen, SandboxOptions
from .state import Clock
from .wire import TRANSPORT

_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """TLS context of a server, and the certificate authority that its clients trust."""

    context: ssl.SSLContext
    ca_pem: bytes


def make_tls(certificate: Certificate) -> ServerTLS:
    """Return a new authority and a server certificate for the loopback names."""
    authority = trustme.CA()
    signer = trustme.CA() if certificate == "foreign" else authority
    names = ("elsewhere.example",) if certificate == "wrong_host" else _NAMES
    ended = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC) if certificate == "expired" else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(*names, not_after=ended).configure_cert(context)
    return ServerTLS(context, authority.cert_pem.bytes())


BACKLOG = 4096  # Connections that may wait to be accepted: tests open a thousand at once.

_GRACE, _KEEP_ALIVE = 0.5, 75
"""Seconds from the shutdown until open connections are aborted, and until an idle connection is closed."""

_ABORT_TIMEOUT = 5.0  # Seconds that the tasks of aborted connections may take to end.


class _Protocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport

    def shutdown(self) -> None:
        """Abort an idle connection: a TLS shutdown would wait for the client."""
        super().shutdown()
        if self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Tick once a second until :meth:`stop` is called. uvicorn's loop sees a stop only every 0.1 s."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 10
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 1)

    def stop(self) -> None:
        """Stop from another thread."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let responses end within the grace period. uvicorn would wait 0.1 s, and for unfinished TLS handshakes."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn sets no event
                    await asyncio.sleep(0.005)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_ABORT_TIMEOUT)


class Listener:
    """Server of an application, in its own thread.

    Args:
        app: the application.
        sock: a listening socket; the listener closes it.
        tls: None for plain HTTP.
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
        )
        config.load()
        config.ssl = tls
        self._server = _Server(config)
        self._socket = sock
        self._thread = threading.Thread(target=self._run, name="prio-sandbox", daemon=True)

    def start(self) -> None:
        """Serve. Return when connections are accepted."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)

    def stop(self) -> None:
        """End every connection and the thread."""
        self._server.stop()
        self._thread.join()

    def _run(self) -> None:
        with self._socket:
            self._server.run(sockets=[self._socket])


class ServerThread:
    """Sandbox served by a thread of this process. Raises ConfigurationError if the port is taken."""

    def __init__(self, options: SandboxOptions, listen: Listen, clock: Clock | None = None) -> None:
        app = SandboxApp(options, clock)
        tls = make_tls(listen.certificate) if listen.tls else None
        sock = listen.bind()
        self.url = listen.url(sock.getsockname()[1])
        self.ca_pem = tls.ca_pem if tls else None
        self.admin = app.admin
        self.admin_key = app.sandbox_state.admin_key
        self._pauses = app.sandbox_state.pauses
        self._listener = Listener(app, sock, tls.context if tls else None)
        self._listener.start()

    def stop(self) -> None:
        """End every pause and connection, and the thread."""
        self._pauses.close()
        self._listener.stop()
