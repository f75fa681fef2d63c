"""The sandbox as a server, for tests and for trying things out."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from ..errors import ConfigurationError
from .admin import Admin
from .clock import Clock
from .counts import TOKEN_ROUTE
from .listen import Certificate, Listen
from .options import SandboxOptions
from .process import ServerProcess
from .start import start_thread


class Served(Protocol):
    """A sandbox that is being served, by a thread or a process."""

    url: str
    ca_pem: bytes | None
    admin: Admin
    admin_key: str

    def stop(self) -> None:
        """Stop serving: within seconds, whatever clients do."""


class _Running(NamedTuple):
    served: Served
    folder: tempfile.TemporaryDirectory[str]


class Sandbox:
    """A Prio API of your own, on this machine, over real HTTPS.

    ::

        with Sandbox(SandboxOptions(lifetime=5)) as sandbox:
            httpx.get(f"{sandbox.base_url}/system/ping", verify=sandbox.ssl_context())
            sandbox.admin.revoke()

    Args:
        options: how it behaves; as Prio does, unless given.
        process: serve from a process of its own instead of a thread of this one.
        host: a loopback address, or ``localhost``.
        port: a port; 0 finds one that is free.
        tls: HTTPS, with a certificate authority made at the start. Without it plain HTTP is accepted.
        certificate: ``valid``, or what is wrong with it: ``expired``, ``foreign``, ``wrong_host``.
        clock: what tokens, reservations and limits go by; not with ``process``.

    Raises:
        ConfigurationError: the host is not a loopback one; a clock for a process.
    """

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        process: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = True,
        certificate: Certificate = "valid",
        clock: Clock | None = None,
    ) -> None:
        options = options or SandboxOptions()
        self.options = options if tls else options.replace({"https_only": False})
        self._listen = Listen(host, port, tls, certificate)
        self._process = process
        self._clock = clock
        self._running: _Running | None = None
        if process and clock:
            raise ConfigurationError("A clock cannot be handed to another process.", remedy="Use admin.advance().")

    def start(self) -> Self:
        """Start serving. Returns when connections are accepted.

        Raises:
            ConfigurationError: it runs already; the extra ``sandbox`` is not installed; the port is taken.
        """
        if self._running:
            raise ConfigurationError("This sandbox runs already.", remedy="Make another one to run two.")
        served = self._serve()
        self._running = _Running(served, tempfile.TemporaryDirectory(prefix="prio-sandbox-"))
        if served.ca_pem:
            self._ca_path().write_bytes(served.ca_pem)
        return self

    def stop(self) -> None:
        """Stop serving, and remove the authority's file. Stopping twice does no harm."""
        running, self._running = self._running, None
        if running:
            running.served.stop()
            running.folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The origin: ``https://127.0.0.1:49152``."""
        return self._reached().served.url

    @property
    def base_url(self) -> str:
        """The API's root: ``https://127.0.0.1:49152/v3.8/distributor``."""
        return f"{self.url}/{self.options.version}/distributor"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.base_url}{TOKEN_ROUTE}"

    @property
    def issuer(self) -> str:
        """The issuer identifier, for discovery."""
        return self.options.issuer or self.base_url

    @property
    def client_id(self) -> str:
        """The first account's identifier."""
        return self.options.accounts[0].client_id

    @property
    def client_secret(self) -> str:
        """The first account's secret, as it was at the start."""
        return self.options.accounts[0].client_secret

    @property
    def admin(self) -> Admin:
        """How to change it while it runs, and to read what it saw."""
        return self._reached().served.admin

    @property
    def admin_key(self) -> str:
        """The value of the header ``Sandbox-Admin-Key`` that opens the admin interface over HTTP."""
        return self._reached().served.admin_key

    @property
    def ca_file(self) -> Path | None:
        """The authority's certificate, for clients that want a file; it is gone after the stop. None without TLS."""
        return self._ca_path() if self._reached().served.ca_pem else None

    def ssl_context(self) -> ssl.SSLContext:
        """A client context that trusts the sandbox's authority, and no other."""
        pem = self._reached().served.ca_pem
        return ssl.create_default_context(cadata=pem.decode() if pem else None)

    def environment(self) -> dict[str, str]:
        """The settings of a client of this sandbox, as environment variables."""
        trust = {"PRIO_CA_FILE": str(self.ca_file)} if self.ca_file else {"PRIO_LOOPBACK_HTTP_HOSTS": self._listen.host}
        return {
            "PRIO_BASE_URL": self.base_url,
            "PRIO_CLIENT_ID": self.client_id,
            "PRIO_CLIENT_SECRET": self.client_secret,
            **trust,
        }

    def _serve(self) -> Served:
        if self._process:
            return ServerProcess(self.options, self._listen)
        return start_thread(self.options, self._listen, self._clock)

    def _reached(self) -> _Running:
        if self._running is None:
            raise ConfigurationError("This sandbox does not run.", remedy="Call start(), or use it in a with statement.")
        return self._running

    def _ca_path(self) -> Path:
        return Path(self._reached().folder.name) / "ca.pem"
