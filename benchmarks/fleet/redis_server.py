"""A private redis-server, stopped at the end of its context."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Self

BINARIES = ("redis-server", "valkey-server")
PATIENCE = 10.0
"""Seconds after which a server that did not come is not coming."""


def binary() -> str | None:
    """Return the path of an installed server, or None."""
    return next((found for name in BINARIES if (found := shutil.which(name))), None)


class RedisServer:
    """A server on a port of this machine. It can be stopped, and started again, empty."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="prio-fleet-")
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Return when it answers.

        Raises:
            RuntimeError: it does not, or is not installed.
        """
        found = binary()
        if found is None:
            raise RuntimeError(f"None of these is installed: {', '.join(BINARIES)}.")
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": self._folder.name}
        command = [found, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
        end = time.monotonic() + PATIENCE
        while not self._says(b"PING", b"+PONG"):
            if time.monotonic() > end:
                raise RuntimeError(f"{found} does not answer.")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Kill it. Stopping twice does no harm."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        self._folder.cleanup()

    def empty(self) -> None:
        """Forget everything.

        Raises:
            RuntimeError: it did not.
        """
        if not self._says(b"FLUSHALL", b"+OK"):
            raise RuntimeError("The private redis-server cannot be emptied.")

    def _says(self, command: bytes, expected: bytes) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
            line.sendall(command + b"\r\n")
            return line.recv(16) == expected + b"\r\n"
        return False
