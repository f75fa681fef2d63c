"""Real processes, forked from one that has loaded everything: so fifty of them start in a second."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Generator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from prio_middleware.sandbox import Sandbox
from prio_middleware.telemetry.providers import StoreReport

from .crossings import Work
from .member import Load, serve
from .redis_server import RedisServer

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Hired:
    """One process from outside."""

    def __init__(self, process: ForkProcess, orders: Connection) -> None:
        self._process = process
        self._orders = orders

    def tell(self, what: str, *arguments: Any) -> None:
        """Ask for something, without waiting."""
        self._orders.send((what, arguments))

    def answer(self) -> Any:
        """Wait for what comes of it.

        Raises:
            EOFError: the process has died.
        """
        return self._orders.recv()

    def kill(self) -> None:
        """With SIGKILL."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Let it end."""
        self._orders.close()
        self._process.join(10)
        if self._process.is_alive():
            self.kill()


@contextlib.contextmanager
def hired(number: int, ca_pem: bytes) -> Generator[list[Hired]]:
    """A number of worker processes."""
    context = multiprocessing.get_context("fork")
    members: list[Hired] = []
    pipes: list[Connection] = []
    for _ in range(number):
        ours, theirs = context.Pipe()
        pipes.append(ours)
        process = context.Process(target=_begin, args=(theirs, ca_pem, pipes), daemon=True)
        process.start()
        theirs.close()
        members.append(Hired(process, ours))
    try:
        yield members
    finally:
        for member in members:
            member.close()


def _begin(orders: Connection, ca_pem: bytes, not_ours: list[Connection]) -> None:
    for each in not_ours:  # A fork inherits the pipes of the other processes: close them.
        each.close()
    serve(orders, ca_pem)


def settings(sandbox: Sandbox, redis: RedisServer | None) -> dict[str, Any]:
    """Of each process, with a store between them or without."""
    store = {"token_store": {"url": redis.url, "encryption_key": KEY}} if redis else {}
    return {
        "name": "fleet",
        "base_url": sandbox.base_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        **store,
    }


def begin(members: list[Hired], sandbox: Sandbox, redis: RedisServer | None) -> None:
    """Each anew, without a token, and none in the store."""
    if redis:
        redis.empty()
    for member in members:
        member.tell("begin", settings(sandbox, redis))
    for member in members:
        member.answer()


def reports(members: list[Hired]) -> list[StoreReport]:
    """Report of each process on the store."""
    for member in members:
        member.tell("report")
    return [member.answer() for member in members]


def all_call(members: list[Hired], load: Load) -> list[Work]:
    """Send the order to all processes, then wait for their answers."""
    for member in members:
        member.tell("call", load)
    return [member.answer() for member in members]
