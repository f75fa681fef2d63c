"""Real worker processes, forked from one that has loaded every module, so that fifty of them start in a second."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Generator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from prio_middleware.sandbox import Sandbox
from prio_middleware.telemetry.providers import StoreReport

from .redis_server import RedisServer
from .request_log import WorkerLog
from .worker_process import Load, serve

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class WorkerHandle:
    """The parent's side of one worker process."""

    def __init__(self, process: ForkProcess, commands: Connection) -> None:
        self._process = process
        self._commands = commands

    def send(self, command: str, *arguments: Any) -> None:
        """Send a command, without waiting for its result."""
        self._commands.send((command, arguments))

    def result(self) -> Any:
        """Wait for the result of the oldest command.

        Raises:
            EOFError: the process has died.
        """
        return self._commands.recv()

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """End the process."""
        self._commands.close()
        self._process.join(10)
        if self._process.is_alive():
            self.kill()


@contextlib.contextmanager
def start_workers(number: int, ca_pem: bytes) -> Generator[list[WorkerHandle]]:
    """Start worker processes, and end them at the end of the context."""
    context = multiprocessing.get_context("fork")
    workers: list[WorkerHandle] = []
    pipes: list[Connection] = []
    for _ in range(number):
        parent_end, worker_end = context.Pipe()
        pipes.append(parent_end)
        process = context.Process(target=_run_worker, args=(worker_end, ca_pem, pipes), daemon=True)
        process.start()
        worker_end.close()
        workers.append(WorkerHandle(process, parent_end))
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()


def _run_worker(commands: Connection, ca_pem: bytes, inherited: list[Connection]) -> None:
    for pipe in inherited:  # A fork inherits the pipes of the other processes: close them.
        pipe.close()
    serve(commands, ca_pem)


def worker_settings(sandbox: Sandbox, redis: RedisServer | None) -> dict[str, Any]:
    """Return the settings of a worker, with a shared store if ``redis`` is given."""
    store = {"token_store": {"url": redis.url, "encryption_key": KEY}} if redis else {}
    return {
        "name": "fleet",
        "base_url": sandbox.base_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        **store,
    }


def reset_workers(workers: list[WorkerHandle], sandbox: Sandbox, redis: RedisServer | None) -> None:
    """Give each worker a new client without a token, and empty the store."""
    if redis:
        redis.empty()
    for worker in workers:
        worker.send("reset", worker_settings(sandbox, redis))
    for worker in workers:
        worker.result()


def store_reports(workers: list[WorkerHandle]) -> list[StoreReport]:
    """Return each worker's report on the store."""
    for worker in workers:
        worker.send("report")
    return [worker.result() for worker in workers]


def call_all(workers: list[WorkerHandle], load: Load) -> list[WorkerLog]:
    """Send the load to all workers, then wait for their results."""
    for worker in workers:
        worker.send("call", load)
    return [worker.result() for worker in workers]
