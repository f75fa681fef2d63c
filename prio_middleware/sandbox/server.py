"""Sandbox as a server, in a thread or a process."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self, cast

from ..errors import ConfigurationError
from .admin import Admin
from .counts import TOKEN_ROUTE
from .sandbox_options import Certificate, Listen, SandboxOptions

if TYPE_CHECKING:
    from .listener import ServerThread
    from .state import Clock


class _Reached(NamedTuple):
    """Facts about a server in another process."""

    url: str
    ca_pem: bytes | None
    admin_key: str


class _Running(NamedTuple):
    server: ServerThread | ServerProcess
    folder: tempfile.TemporaryDirectory[str]


def _own_directory() -> Path | None:
    """Return a directory that only this user can write, or None if the platform has no file owners.

    It holds the certificate authority, whose path is in the client's settings. In the shared temporary directory, another user
    could put an authority at that path after the sandbox has stopped.

    Raises:
        ConfigurationError: neither the runtime nor the cache directory of this user can hold it.
    """
    if not hasattr(os, "geteuid"):
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path.expanduser may raise
    for base in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), cache)):
        directory = Path(base) / "prio-middleware"
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                return directory
    raise ConfigurationError(
        "The sandbox finds no directory for its certificate that only this user can write.",
        remedy="Set XDG_RUNTIME_DIR or XDG_CACHE_HOME to a directory of this user.",
    )


class Sandbox:
    """Prio API on this machine, over real HTTPS.

    ::

        with Sandbox(SandboxOptions(lifetime=5)) as sandbox:
            httpx.get(f"{sandbox.base_url}/system/ping", verify=sandbox.ssl_context())
            sandbox.admin.revoke()

    Args:
        options: its behaviour; by default Prio's.
        process: True to serve from another process instead of a thread.
        host: a loopback address, or ``localhost``.
        port: a port; 0 finds a free one.
        tls: True for HTTPS, with a new certificate authority. False to accept plain HTTP.
        certificate: ``valid``, ``expired``, ``foreign`` or ``wrong_host``.
        clock: the clock of tokens, reservations and limits; not with ``process``.

    Raises:
        ConfigurationError: the host is not a loopback host; a clock was passed with ``process``.
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
            raise ConfigurationError("The sandbox cannot pass a clock to another process.", remedy="Use admin.advance().")

    def start(self) -> Self:
        """Start serving. Return when connections are accepted.

        Raises:
            ConfigurationError: it is running; the extra ``sandbox`` is not installed; the port is taken; or this user has no
                directory of its own.
        """
        if self._running:
            raise ConfigurationError("This sandbox is already running.", remedy="Create a second one to run two.")
        directory = _own_directory()
        server = (
            ServerProcess(self.options, self._listen)
            if self._process
            else start_thread(self.options, self._listen, self._clock)
        )
        self._running = _Running(server, tempfile.TemporaryDirectory(prefix="sandbox-", dir=directory))
        if server.ca_pem:
            self._ca_path().write_bytes(server.ca_pem)
        return self

    def stop(self) -> None:
        """Stop serving, and remove the authority's file. A second call has no effect."""
        running, self._running = self._running, None
        if running:
            running.server.stop()
            running.folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The origin: ``https://127.0.0.1:49152``."""
        return self._serving().server.url

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
        """The first account's initial secret."""
        return self.options.accounts[0].client_secret

    @property
    def admin(self) -> Admin:
        """The admin interface."""
        return self._serving().server.admin

    @property
    def admin_key(self) -> str:
        """The value of the header ``Sandbox-Admin-Key`` that opens the admin interface over HTTP."""
        return self._serving().server.admin_key

    @property
    def ca_file(self) -> Path | None:
        """The authority's certificate as a file that exists until the stop. None without TLS."""
        return self._ca_path() if self._serving().server.ca_pem else None

    def ssl_context(self) -> ssl.SSLContext:
        """Return a client context that trusts only the sandbox's authority."""
        pem = self._serving().server.ca_pem
        return ssl.create_default_context(cadata=pem.decode() if pem else None)

    def client_settings(self) -> dict[str, str]:
        """Return the settings of a client of this sandbox, in the dialect of its options: the arguments of ``Settings``."""
        trust = {"ca_file": str(self.ca_file)} if self.ca_file else {"loopback_http_hosts": self._listen.host}
        account = {"base_url": self.base_url, "client_id": self.client_id, "client_secret": self.client_secret}
        return {**account, **trust, **self.options.dialect(self.token_url)}

    def environment(self) -> dict[str, str]:
        """Return the settings of a client of this sandbox as environment variables."""
        return {f"PRIO_{name.upper()}": value for name, value in self.client_settings().items()}

    def _serving(self) -> _Running:
        if self._running is None:
            raise ConfigurationError("This sandbox is not running.", remedy="Call start(), or use it in a with statement.")
        return self._running

    def _ca_path(self) -> Path:
        return Path(self._serving().folder.name) / "ca.pem"


def require_packages(program: str, packages: Sequence[str], extras: str) -> None:
    """Raise ConfigurationError if any of ``packages`` is not installed."""
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        remedy = f"Install it: pip install 'prio-middleware[{extras}]'"
        raise ConfigurationError(f"{program} needs {', '.join(missing)}.", remedy=remedy)


def start_thread(options: SandboxOptions, listen: Listen, clock: Clock | None = None) -> ServerThread:
    """Serve from a thread. Raise ConfigurationError if the extra is not installed, or the port is taken."""
    require_packages("The sandbox", ("trustme", "uvicorn"), "sandbox")
    from .listener import ServerThread

    return ServerThread(options, listen, clock)


COMMAND = (sys.executable, "-m", "prio_middleware.sandbox", "--control")


class ServerProcess:
    """Sandbox served by another process.

    Args:
        options: its behaviour.
        listen: its address, TLS and certificate.
        command: the command line of the process.
        stop_timeout: seconds until a process that does not end is killed.

    Raises:
        ConfigurationError: the process cannot serve, or ended at once.
    """

    def __init__(
        self, options: SandboxOptions, listen: Listen, command: Sequence[str] = COMMAND, *, stop_timeout: float = 10.0
    ) -> None:
        self._stop_timeout = stop_timeout
        # In its own process group: Ctrl-C reaches only the parent, which then ends it.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        self._commands, self._replies = (cast("IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout))
        self._lock = threading.Lock()
        self.pid = self._process.pid
        self.admin = cast("Admin", _RemoteAdmin(self._call))
        try:
            self.url, self.ca_pem, self.admin_key = self._call((options, listen))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask the process to end, and kill it after the timeout."""
        with contextlib.suppress(OSError):
            self._commands.close()
        try:
            self._process.wait(self._stop_timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._replies.close()

    def _call(self, message: object) -> Any:
        """Send a message, and return the process's reply or raise its error."""
        try:
            with self._lock:
                _send(self._commands, message)
                reply = pickle.load(self._replies)  # noqa: S301 - from a process that runs this module
        except (OSError, EOFError, pickle.UnpicklingError):
            raise ConfigurationError("The sandbox's process has ended.", remedy="Read its standard error output.") from None
        if isinstance(reply, Exception):
            raise reply
        return reply


class _RemoteAdmin:
    """:class:`Admin` of another process, to which it sends the calls of all methods."""

    def __init__(self, call: Callable[[object], Any]) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        getattr(Admin, name)  # An unknown name raises AttributeError here, too.
        return lambda *args, **kwargs: self._call((name, args, kwargs))


def run_commands(commands: IO[bytes], replies: IO[bytes]) -> None:
    """Run the child process: serve as the first message says, then call the method of :class:`Admin` in each further one."""
    try:
        server = start_thread(*pickle.load(commands))  # noqa: S301 - from the parent process
    except ConfigurationError as error:
        _send(replies, error)
        return
    _send(replies, _Reached(server.url, server.ca_pem, server.admin_key))
    with contextlib.suppress(EOFError):  # The parent closes the pipe.
        while True:
            name, args, kwargs = pickle.load(commands)  # noqa: S301 - from the process that started this one
            try:
                result = getattr(server.admin, name)(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the parent raises it
                result = error
            _send(replies, result)
    server.stop()


def _send(pipe: IO[bytes], message: object) -> None:
    pickle.dump(message, pipe)
    pipe.flush()
