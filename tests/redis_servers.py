"""Private Redis and Valkey servers, on free ports, for as long as a test needs them."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import redis

from prio_middleware import Secret
from prio_middleware.tokens.shared.connect import RedisAddress
from prio_middleware.tokens.shared.redis_store import RedisStore

BINARIES = ["redis-server", "valkey-server"]
PATIENCE = 20.0
"""Seconds after which a server that did not come is not coming."""


def needs(binary: str) -> str:
    found = shutil.which(binary)
    if found is None:
        pytest.skip(f"{binary} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for what another process brings about."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")


class Server:
    """One server process. It can be stopped, started again on its port, empty, and paused."""

    def __init__(self, binary: str, directory: Path, *options: str, port: int | None = None) -> None:
        self.binary = needs(binary)
        self.port = port or free_port()
        self.options = options
        self.command = [
            self.binary,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(directory),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def address(self) -> RedisAddress:
        return RedisAddress(Secret(self.url))

    def store(self) -> RedisStore:
        return RedisStore(self.address)

    def admin(self) -> Any:
        """A client that is patient."""
        return redis.Redis(port=self.port, socket_timeout=PATIENCE, protocol=2)

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        until(lambda: self.admin().ping(), "the server answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def serve(binary: str, directory: Path, *options: str, port: int | None = None) -> Generator[Server]:
    server = Server(binary, directory, *options, port=port)
    try:
        yield server
    finally:
        server.stop()
