"""The sandbox served from a thread of this process. Needs the extra ``sandbox``."""

from __future__ import annotations

from .app import create_app
from .certificates import make_tls
from .clock import Clock
from .listen import Listen
from .listener import Listener
from .options import SandboxOptions


class ServerThread:
    """A sandbox that is being served.

    Args:
        options: how it behaves.
        listen: where, and how.
        clock: what tokens, reservations and limits go by.

    Raises:
        ConfigurationError: the port is taken.
    """

    def __init__(self, options: SandboxOptions, listen: Listen, clock: Clock | None = None) -> None:
        app = create_app(options, clock)
        tls = make_tls(listen.certificate) if listen.tls else None
        sock = listen.bind()
        self.url = listen.url(sock.getsockname()[1])
        self.ca_pem = tls.ca_pem if tls else None
        self.admin = app.admin
        self.operations = app.operations
        self.admin_key = app.sandbox_state.admin_key
        self._pauses = app.sandbox_state.pauses
        self._listener = Listener(app, sock, tls.context if tls else None)
        self._listener.start()

    def stop(self) -> None:
        """End every pause and connection, and the thread."""
        self._pauses.close()
        self._listener.stop()
