"""Closing, cancelling and interrupting leave no descriptor, thread, task or waiting caller behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import anyio
import pytest

import prio_middleware
from prio_middleware.sandbox import Sandbox
from tests.long.e2e.client_kind import (
    EVERYWHERE,
    OVER_TLS,
    PRODUCT,
    SOME_OVER_TLS,
    SOON,
    SYNC,
    ClientKind,
    does_not_hang,
    until,
)
from tests.transports.library_privates import transport_of
from tests.transports.matrix import Caller

pytestmark = pytest.mark.anyio


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only the count is needed


def refreshing() -> bool:
    return any(thread.name == "prio_middleware.fetch" for thread in threading.enumerate())


async def warm(kind: ClientKind) -> int:
    """Return the number of open descriptors after a warm-up."""
    async with kind.client(kind.settings(name="warm")) as client:
        await client.get(PRODUCT)
    open_now = descriptors()
    kind.admin.reset_counts()
    return open_now


@pytest.mark.parametrize("kind", OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", [None, "truncated", "stall", "huge_body"])
async def test_a_closed_client_leaves_no_descriptor_open(kind: ClientKind, fault: str | None) -> None:
    before = await warm(kind)
    async with kind.client(kind.settings(**(SOON if fault else {}))) as client:
        if fault:
            kind.admin.fail_tokens(fault, times=None)

        async def call() -> None:
            with pytest.raises(kind.matrix.library.TransportError) if fault else does_not_hang():
                await client.get(PRODUCT)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
    await until(lambda: descriptors() <= before)


@pytest.mark.pitfall(id="cancelled-leader")
@pytest.mark.parametrize("kind", [kind for kind in EVERYWHERE if "-sync" not in kind], indirect=True)
async def test_cancelled_callers_fail_no_other(kind: ClientKind) -> None:
    before = await warm(kind)
    kind.admin.configure(token_delay=60)
    statuses: list[int] = []
    async with kind.client() as client:

        async def call(scope: anyio.CancelScope) -> None:
            with scope:
                statuses.append((await client.get(PRODUCT)).status_code)

        scopes = [anyio.CancelScope() for _ in range(20)]
        async with anyio.create_task_group() as group:
            group.start_soon(call, scopes[0])
            await until(lambda: kind.admin.counts().token_requests == 1)
            for scope in scopes[1:]:
                group.start_soon(call, scope)
            await anyio.sleep(0.05)
            for scope in scopes[::2]:  # The first of them began the fetch.
                scope.cancel()
            await kind.let_go(lambda: len(statuses) == 10)
    assert statuses == [200] * 10
    assert kind.admin.counts().token_requests == 1
    assert kind.admin.counts().calls_without_token == 0
    await until(lambda: descriptors() <= before)


async def due(kind: ClientKind, client: Caller) -> None:
    """Let the client's token be due for a refresh ahead of its expiry, and start that: it hangs at the server."""
    assert (await client.get(PRODUCT)).status_code == 200
    kind.admin.configure(token_delay=60)
    await anyio.sleep(0.1)
    assert (await client.get(PRODUCT)).status_code == 200
    await until(lambda: kind.admin.counts().token_requests == 2)


AHEAD = {"refresh": "ahead", "leeway_fraction": 0.9999, "leeway_max": 3600, "leeway_jitter": 0, "token_timeout": 1}
"""With a lifetime of 600 s, a new token is due 0.06 s after the last."""


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_client_is_closed_while_its_token_is_refreshed(kind: ClientKind) -> None:
    before = await warm(kind)
    kind.admin.configure(expires_in="600")
    async with kind.client(kind.settings(**AHEAD)) as client:
        await due(kind, client)
    # No other client waits for that fetch, so it has ended with this one.
    assert not refreshing()
    assert not kind.provider(kind.settings(**AHEAD)).report().fetching
    kind.admin.configure(token_delay=0)
    await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("kind", [kind for kind in OVER_TLS if "-sync" not in kind], indirect=True)
def test_an_event_loop_ends_while_a_token_is_refreshed(kind: ClientKind) -> None:
    before = descriptors()
    settings = kind.settings(**AHEAD)

    async def begin() -> None:
        kind.admin.configure(expires_in="600")
        async with kind.client(settings) as client:
            await due(kind, client)

    async def go_on() -> None:
        kind.admin.configure(token_delay=0)
        kind.admin.revoke()
        async with kind.client(settings) as client:
            assert (await client.get(PRODUCT)).status_code == 200

    for main in (begin, go_on):
        with does_not_hang():
            anyio.run(main, backend=kind.matrix.backend)
    gc.collect()
    assert descriptors() <= before


PROGRAM = """
import time
from prio_middleware.{library} import client

with client() as prio:
    for _ in range(2):
        assert prio.get("/products/1004").status_code == 200
        time.sleep(0.1)
"""


@pytest.mark.parametrize("kind", SYNC[:1], indirect=True)
def test_a_program_ends_while_its_token_is_refreshed(kind: ClientKind, tmp_path: Path) -> None:
    assert isinstance(kind.sandbox, Sandbox)
    kind.admin.configure(expires_in="600", token_delay=0.5)
    settings = {f"PRIO_{name.upper()}": str(value) for name, value in AHEAD.items()}
    program = [sys.executable, "-W", "error", "-c", PROGRAM.format(library=kind.matrix.library.__name__)]
    home = {"PYTHONPATH": str(Path(prio_middleware.__file__).parents[1])}
    environment = {**os.environ, **kind.sandbox.environment(), **settings, **home}
    ended = subprocess.run(program, check=True, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("", "")
    assert kind.admin.counts().token_requests == 2


async def test_a_closed_client_is_collected(kind: ClientKind) -> None:
    client = kind.make()
    assert (await client.get(PRODUCT)).status_code == 200
    await client.close()
    gone = [weakref.ref(client.client), weakref.ref(transport_of(client.client))]
    del client
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
