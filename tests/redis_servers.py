"""Private Redis and Valkey servers, on free ports, for as long as a test needs them."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from prio_middleware import Secret
from prio_middleware.oauth.shared.connection import RedisAddress
from prio_middleware.oauth.shared.redis_store import RedisStore

BINARIES = ["redis-server", "valkey-server"]
TIMEOUT = 60.0
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
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {TIMEOUT:.0f} s: {what}")


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
        return redis.Redis(port=self.port, socket_timeout=TIMEOUT, protocol=2)

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


# Several of them


@contextlib.contextmanager
def serve_cluster(binary: str, folder: Callable[[str], Path]) -> Generator[list[Server]]:
    """Three nodes, each with a third of the slots and without a replica."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"]
    with contextlib.ExitStack() as stack:
        nodes: list[Server] = []
        for first, last in ((0, 5460), (5461, 10921), (10922, 16383)):
            own = [*options, "--cluster-port", str(free_port())]
            nodes.append(stack.enter_context(serve(binary, folder("node"), *own)))
            nodes[-1].admin().execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            nodes[0].admin().execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in nodes:
            until(partial(_is_whole, node), "the cluster is whole")
        yield nodes


def _is_whole(node: Server) -> bool:
    state = node.admin().execute_command("CLUSTER", "INFO")
    text = state if isinstance(state, dict) else dict(line.split(":") for line in state.decode().split())
    return bool(text["cluster_state"] == "ok" and text["cluster_known_nodes"] == "3")


class Watched(NamedTuple):
    """A master and its replica, and the port of the sentinel that watches them. It calls the master ``shop``."""

    master: Server
    replica: Server
    port: int


@contextlib.contextmanager
def serve_watched(binary: str, folder: Callable[[str], Path]) -> Generator[Watched]:
    """A master that is replaced within seconds when it dies: on a busy machine, a live one may be silent for half a second."""
    sentinel_binary = needs(binary.replace("server", "sentinel"))
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(serve(binary, folder("master")))
        options = ["--replicaof", "127.0.0.1", str(master.port), "--repl-diskless-sync-delay", "0"]
        replica = stack.enter_context(serve(binary, folder("replica"), *options))
        master.admin().config_set("repl-diskless-sync-delay", 0)
        until(lambda: replica.admin().info("replication")["master_link_status"] == "up", "the replica follows")
        settings = folder("sentinel") / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor shop 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 3000\n"
        )
        sentinel = stack.enter_context(_sentinel(sentinel_binary, settings))
        until(lambda: len(sentinel.admin().sentinel_slaves("shop")) == 1, "the sentinel knows the replica")
        yield Watched(master, replica, sentinel.port)


@contextlib.contextmanager
def _sentinel(binary: str, settings: Path) -> Generator[Server]:
    server = Server.__new__(Server)
    server.binary, server.port = binary, free_port()
    server.command = [server.binary, str(settings), "--port", str(server.port), "--bind", "127.0.0.1"]
    server.start()
    try:
        yield server
    finally:
        server.stop()
