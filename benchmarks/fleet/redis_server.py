"""A private redis-server that stops at the end of its context."""

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
TIMEOUT = 10.0
"""Seconds to wait for the server's first answer."""


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
        """Start the server, and wait for its first answer.

        Raises:
            RuntimeError: no server is installed, or it does not answer.
        """
        found = binary()
        if found is None:
            raise RuntimeError(f"None of these is installed: {', '.join(BINARIES)}.")
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": self._folder.name}
        command = [found, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - fixed arguments
        end = time.monotonic() + TIMEOUT
        while not self._answers(b"PING", b"+PONG"):
            if time.monotonic() > end:
                raise RuntimeError(f"{found} does not answer.")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Kill the server, if it runs."""
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
        """Delete all keys.

        Raises:
            RuntimeError: the server did not confirm it.
        """
        if not self._answers(b"FLUSHALL", b"+OK"):
            raise RuntimeError("The private redis-server cannot be emptied.")

    def _answers(self, command: bytes, expected: bytes) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
            line.sendall(command + b"\r\n")
            return line.recv(16) == expected + b"\r\n"
        return False
