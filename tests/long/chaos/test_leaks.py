"""Leaks are found."""

from __future__ import annotations

import logging
import socket
import threading
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from tests.long.chaos import leaks
from tests.long.chaos.leaks import Belongings, busy_connections, overheard, tasks_alive, tasks_left


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "TIMEOUT", 0.1)


def test_descriptors() -> None:
    belongings = Belongings()
    assert belongings.more() == []
    with socket.socket():
        assert belongings.more() == ["1 descriptors are left open"]


def test_threads() -> None:
    belongings, over = Belongings(), threading.Event()
    thread = threading.Thread(target=over.wait, name="one that stays")
    thread.start()
    try:
        assert belongings.more() == ["the thread one that stays is left"]
    finally:
        over.set()
        thread.join()
    assert belongings.more() == []


@pytest.mark.parametrize(("name", "is_left"), [("Trio thread 7", False), ("Trio thread 7 from a task", True)])
def test_idle_workers_of_trio_go_later(name: str, is_left: bool) -> None:
    belongings, over = Belongings(), threading.Event()
    thread = threading.Thread(target=over.wait, name=name)
    thread.start()
    try:
        assert belongings.more() == ([f"the thread {name} is left"] if is_left else [])
    finally:
        over.set()
        thread.join()


def test_uncaught_errors_are_found() -> None:
    hook = threading.excepthook
    with overheard() as said:
        thread = threading.Thread(target=lambda: 1 // 0)
        thread.start()
        thread.join()
        logging.getLogger("asyncio").warning("slow")
        logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=KeyError("x"))

    assert said == [
        "a thread ended with ZeroDivisionError('integer division or modulo by zero')",
        "asyncio said: Task exception was never retrieved KeyError('x')",
    ]
    assert threading.excepthook is hook


@pytest.mark.anyio
async def test_tasks(anyio_backend: str) -> None:
    before = tasks_alive(anyio_backend)
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        assert await tasks_left(anyio_backend, before) == [f"1 tasks are left on {anyio_backend}"]
        group.cancel_scope.cancel()
    assert await tasks_left(anyio_backend, before) == []


class Connection:
    def __init__(self, shown: str, *, idle: bool = False, closed: bool = False) -> None:
        self._shown = shown
        self.is_idle = lambda: idle
        self.is_closed = lambda: closed

    def __repr__(self) -> str:
        return self._shown


def test_connections() -> None:
    connections = [
        Connection("at rest", idle=True),
        Connection("gone", closed=True),
        Connection("HTTP/1.1, ACTIVE, Request Count: 7"),
        Connection("HTTP/1.1, NEW, Request Count: 0"),
    ]
    pool = SimpleNamespace(connections=connections)
    client: Any = SimpleNamespace(_transport=SimpleNamespace(inner=SimpleNamespace(_pool=pool)))

    assert busy_connections(client) == ["a connection is not given back: HTTP/1.1, ACTIVE, Request Count: 7"]
