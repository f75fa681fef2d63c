"""Real servers, each as a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
APPS = "tests.web.apps"
TIMEOUT = 60.0
"""Seconds after which something hangs. Nothing here takes a tenth of it."""

UVICORN = ["uvicorn", "--no-access-log", "--lifespan", "on"]
HYPERCORN_ON_TRIO = ["hypercorn", "--worker-class", "trio", "--error-logfile", "-"]
GUNICORN = ["gunicorn", "--preload", "--worker-class", "gthread", "--no-control-socket"]


class Server:
    """A server that runs, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.url = f"http://127.0.0.1:{port}"
        self.browser = httpx.Client(base_url=self.url, timeout=TIMEOUT)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait(self) -> int:
        """Return the exit status of a server that ended by itself."""
        return self._process.wait(TIMEOUT)

    def wait_until_it_listens(self, port: int) -> None:
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.02)
        raise AssertionError(self.log)


def command(server: Sequence[str], app: str, port: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port)] if server[0] == "uvicorn" else ["--bind", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", *server, *where, f"{APPS}.{app}"]


@contextlib.contextmanager
def started(server: Sequence[str], app: str, environment: Mapping[str, str], folder: Path) -> Generator[Server]:
    """The server, from its start on; it may not listen yet, or never."""
    port, log = free_port(), folder / "server.log"
    # Measured once is enough: in a server, coverage would double the time.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    variables = {**inherited, **environment, "PYTHONWARNINGS": "default::ResourceWarning"}
    with log.open("wb") as output:
        process = subprocess.Popen(command(server, app, port), cwd=ROOT, env=variables, stdout=output, stderr=output)
    running = Server(process, port, log)
    try:
        with running.browser:
            yield running
    finally:
        process.terminate()
        process.wait(TIMEOUT)


@contextlib.contextmanager
def serving(server: Sequence[str], app: str, environment: Mapping[str, str], folder: Path) -> Generator[Server]:
    """The server while it serves."""
    with started(server, app, environment, folder) as running:
        running.wait_until_it_listens(httpx.URL(running.url).port or 0)
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def close_code(url: str, path: str) -> int:
    """The code that a websocket is closed with after it was accepted (RFC 6455 §5.5.1)."""
    address = httpx.URL(url)
    upgrade = (
        f"GET {path} HTTP/1.1\r\nHost: {address.netloc.decode()}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port or 80), TIMEOUT) as connection:
        connection.sendall(upgrade.encode())
        with connection.makefile("rb") as incoming:
            assert b" 101 " in incoming.readline()
            while incoming.readline() != b"\r\n":
                pass
            opcode, _, high, low = incoming.read(4)
    assert opcode == 0x88
    return int(high << 8 | low)
