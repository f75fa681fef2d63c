"""Several clients on one inner transport, which is entered once and closed once, by the last one."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest

from prio_middleware.transports.inner import InnerUse
from tests.transports.matrix import Caller, MatrixClient, Server, settings
from tests.transports.test_auth_transport import pipeline

pytestmark = pytest.mark.anyio

# Sync or async is all that could make a difference.
of_both_colours = pytest.mark.parametrize("client_kind", ["httpx-sync", "httpx2-trio"])


class Noting:
    """Inner transport, sync and async, that records its enter and close. Neither hashable nor weakly referenceable."""

    __hash__ = None  # type: ignore[assignment]  # that is the case to be shown
    __slots__ = ("notes", "server")

    def __init__(self, server: Any) -> None:
        self.server = server
        self.notes: list[str] = []

    def handle_request(self, request: Any) -> Any:
        return self.server(request)

    async def handle_async_request(self, request: Any) -> Any:
        return self.server(request)

    def __enter__(self) -> None:
        self.notes.append("enter")

    def __exit__(self, *_: object) -> None:
        self.notes.append("exit")

    def close(self) -> None:
        self.notes.append("close")

    async def __aenter__(self) -> None:
        self.notes.append("enter")

    async def __aexit__(self, *_: object) -> None:
        self.notes.append("exit")

    async def aclose(self) -> None:
        self.notes.append("close")


async def do(transport: Any, action: str) -> None:
    """Run an action on a transport, sync or async."""
    name = {"enter": ("__enter__", "__aenter__"), "exit": ("__exit__", "__aexit__"), "close": ("close", "aclose")}[action]
    awaited = hasattr(transport, name[1])
    result = getattr(transport, name[awaited])(*[None] * 3 * (action == "exit"))
    if awaited:
        await result


COURSES: list[tuple[list[str], list[str]]] = [
    (["a close"], []),
    (["a close", "b close"], ["close"]),
    (["a close", "a close"], []),
    (["a close", "b close", "b close", "a close"], ["close"]),
    (["a enter", "b enter", "a exit", "b exit"], ["enter", "exit"]),
    (["a enter", "b enter", "b exit"], ["enter"]),
    (["a enter", "a enter", "a exit", "b close"], ["enter"]),
    (["a enter", "a enter", "a exit", "b close", "a exit"], ["enter", "exit"]),
    (["a enter", "b close", "a close", "a exit"], ["enter", "close"]),
    (["b enter", "b close", "b exit", "a close"], ["enter", "close"]),
    (["a enter", "a exit", "b exit", "a enter", "a exit"], ["enter", "exit", "enter", "exit"]),
    (["a close", "b drop"], []),
    (["b drop", "a close"], ["close"]),
    (["a close", "a call", "b close"], []),
    (["a close", "b close", "a call", "a close"], ["close", "close"]),
]
"""Actions of two transports around one inner transport, and the calls that it gets."""


@pytest.mark.pitfall(id="shared-transport")
@of_both_colours
async def test_the_last_one_closes_it_and_only_once(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for actions, expected in COURSES:
        with subtests.test(", ".join(actions)):
            assert await told(matrix, actions) == expected


async def told(matrix: MatrixClient, actions: list[str]) -> list[str]:
    inner = Noting(Server(matrix))
    transports = {name: matrix.transport(inner, pipeline=pipeline()) for name in "ab"}
    for action in actions:
        name, what = action.split()
        if what == "drop":
            del transports[name]
            gc.collect()
        elif what == "call":
            await matrix.caller(transports[name]).get()
        else:
            await do(transports[name], what)
    return inner.notes


@pytest.mark.pitfall(id="shared-transport")
@of_both_colours
async def test_closing_one_of_two_clients_with_one_transport_leaves_the_other_open(matrix: MatrixClient) -> None:
    server = Server(matrix)
    inner = Noting(server)
    transport = matrix.transport(inner, pipeline=pipeline())
    one, other = matrix.caller(transport), matrix.caller(transport)
    await one.get()
    await one.close()
    for number in (1, 2):
        server.revoke(number)
        assert (await other.get()).status_code == 200
    assert inner.notes == ["close"]
    await other.close()

    assert len(server.token_requests) == 3
    assert inner.notes == ["close", "close"]


@of_both_colours
async def test_a_transport_shared_by_the_mounts_of_a_client_is_closed_once(matrix: MatrixClient, server: Server) -> None:
    inner = Noting(server)
    make = matrix.module.client if matrix.is_sync else matrix.module.async_client
    await Caller(make(settings=settings(), transport=inner, mounts={"https://elsewhere.example": inner})).close()

    assert inner.notes == ["close"]


def test_of_many_that_leave_at_once_one_is_told_to_close() -> None:
    inner = object()
    for _ in range(5):
        uses = [InnerUse(inner) for _ in range(8)]
        together = threading.Barrier(len(uses))
        told: list[bool] = []

        def leave(use: InnerUse, together: threading.Barrier = together, told: list[bool] = told) -> None:
            together.wait(10)
            told.append(use.leave())

        threads = [threading.Thread(target=leave, args=[use]) for use in uses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(told) == [False] * 7 + [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_process_forked_while_another_thread_holds_the_lock_can_close() -> None:
    script = """
        import os, threading, warnings
        from prio_middleware.transports.inner import InnerUse

        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads: that is the point
        use = InnerUse(object())
        held, done = threading.Event(), threading.Event()

        def hold():
            with use.lock:
                held.set()
                done.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        child = os.fork()
        if child == 0:
            os._exit(use.leave())
        _, status = os.waitpid(child, 0)
        done.set()
        thread.join()
        print("to be closed:", os.waitstatus_to_exitcode(status), use.leave())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=25, check=False
    )

    assert ended.stdout == "to be closed: 1 True\n", ended.stderr


def test_nothing_is_kept_of_a_transport_that_is_gone() -> None:
    class Inner:
        pass

    inner = Inner()
    gone = weakref.ref(inner)
    InnerUse(inner).leave()
    del inner
    gc.collect()

    assert gone() is None
