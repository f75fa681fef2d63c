"""What is closed, cancelled or interrupted leaves nothing behind: no descriptor, thread or task, and nobody waiting."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

import prio_middleware
from prio_middleware.sandbox import Sandbox
from tests.e2e.place import EVERYWHERE, FAR, OVER_TLS, PATIENCE, PRODUCT, SOME_OVER_TLS, SOON, SYNC, Place, does_not_hang, until
from tests.transports.world import Caller

pytestmark = pytest.mark.anyio


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - it is no folder of ours, and the count is all


def refreshing() -> bool:
    return any(thread.name == "prio_middleware.refresh" for thread in threading.enumerate())


async def warm(place: Place) -> int:
    """How many descriptors are open once everything that stays is there."""
    async with place.client(place.settings(name="warm")) as client:
        await client.get(PRODUCT)
    open_now = descriptors()
    place.admin.reset_counts()
    return open_now


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", [None, "truncated", "stall", "huge_body"])
async def test_a_closed_client_leaves_no_descriptor_open(place: Place, fault: str | None) -> None:
    before = await warm(place)
    async with place.client(place.settings(**(SOON if fault else {}))) as client:
        if fault:
            place.admin.fail_tokens(fault, times=None)

        async def call() -> None:
            with pytest.raises(place.world.library.TransportError) if fault else does_not_hang():
                await client.get(PRODUCT)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
    await until(lambda: descriptors() <= before)


@pytest.mark.pitfall(id="cancelled-leader")
@pytest.mark.parametrize("place", [place for place in EVERYWHERE if "-sync" not in place], indirect=True)
async def test_cancelled_callers_take_nobody_down(place: Place) -> None:
    before = await warm(place)
    place.admin.configure(token_delay=60)
    statuses: list[int] = []
    async with place.client(place.settings(token_timeout=FAR)) as client:

        async def call(scope: anyio.CancelScope) -> None:
            with scope:
                statuses.append((await client.get(PRODUCT)).status_code)

        scopes = [anyio.CancelScope() for _ in range(20)]
        async with anyio.create_task_group() as group:
            group.start_soon(call, scopes[0])
            await until(lambda: place.admin.counts().token_requests == 1)
            for scope in scopes[1:]:
                group.start_soon(call, scope)
            await anyio.sleep(0.05)
            for scope in scopes[::2]:  # The first of them leads the fetch.
                scope.cancel()
            await until(lambda: place.admin.counts().token_requests == 2)
            await place.let_go(lambda: len(statuses) == 10)
    assert statuses == [200] * 10
    assert place.admin.counts().calls_without_token == 0
    await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("place", SYNC, indirect=True)
def test_an_interrupt_during_the_fetch_leaves_the_next_call_unharmed(place: Place) -> None:
    library = place.world.library
    interrupted, waiting = threading.Event(), threading.Event()

    class Interrupted(library.HTTPTransport):  # type: ignore[misc, name-defined] # of either library
        def handle_request(self, request: Any) -> Any:
            if not interrupted.is_set():
                interrupted.set()
                waiting.wait(PATIENCE)
                raise KeyboardInterrupt
            return super().handle_request(request)

    assert isinstance(place.sandbox, Sandbox)
    transport = Interrupted(verify=place.sandbox.ssl_context())
    with place.make(transport=transport).client as client, ThreadPoolExecutor(1) as pool:
        leader = pool.submit(client.get, PRODUCT)
        interrupted.wait(PATIENCE)
        threading.Timer(0.05, waiting.set).start()
        assert client.get(PRODUCT).status_code == 200
        with pytest.raises(KeyboardInterrupt):
            leader.result(PATIENCE)
    assert place.admin.counts().token_requests == 1


async def due(place: Place, client: Caller) -> None:
    """Let the client's token be due for a refresh ahead of its expiry, and start that: it hangs at the server."""
    assert (await client.get(PRODUCT)).status_code == 200
    place.admin.configure(token_delay=60)
    await anyio.sleep(0.1)
    assert (await client.get(PRODUCT)).status_code == 200
    await until(lambda: place.admin.counts().token_requests == 2)


AHEAD = {"refresh": "ahead", "leeway_fraction": 0.9999, "leeway_max": 3600, "leeway_jitter": 0, "token_timeout": 1}
"""With a lifetime of 600 s, a new token is due 0.06 s after the last."""


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_a_client_is_closed_while_its_token_is_refreshed(place: Place) -> None:
    before = await warm(place)
    place.admin.configure(expires_in="600")
    async with place.client(place.settings(**AHEAD)) as client:
        await due(place, client)
    place.admin.configure(token_delay=0)
    # Others may wait for that fetch, so it goes on; but it leaves no connection in a pool that nobody closes again.
    await until(lambda: place.admin.counts().tokens_issued == 3 and not refreshing())
    await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("place", [place for place in OVER_TLS if "-sync" not in place], indirect=True)
def test_an_event_loop_ends_while_a_token_is_refreshed(place: Place) -> None:
    before = descriptors()
    settings = place.settings(**AHEAD)

    async def begin() -> None:
        place.admin.configure(expires_in="600")
        async with place.client(settings) as client:
            await due(place, client)

    async def go_on() -> None:
        place.admin.configure(token_delay=0)
        place.admin.revoke()
        async with place.client(settings) as client:
            assert (await client.get(PRODUCT)).status_code == 200

    for main in (begin, go_on):
        with does_not_hang():
            anyio.run(main, backend=place.world.backend)
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


@pytest.mark.parametrize("place", SYNC[:1], indirect=True)
def test_a_program_ends_while_its_token_is_refreshed(place: Place, tmp_path: Path) -> None:
    assert isinstance(place.sandbox, Sandbox)
    place.admin.configure(expires_in="600", token_delay=0.5)
    settings = {f"PRIO_{name.upper()}": str(value) for name, value in AHEAD.items()}
    program = [sys.executable, "-W", "error", "-c", PROGRAM.format(library=place.world.library.__name__)]
    home = {"PYTHONPATH": str(Path(prio_middleware.__file__).parents[1])}
    environment = {**os.environ, **place.sandbox.environment(), **settings, **home}
    ended = subprocess.run(program, check=True, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("", "")
    assert place.admin.counts().token_requests == 2


async def test_a_closed_client_is_collected(place: Place) -> None:
    client = place.make()
    assert (await client.get(PRODUCT)).status_code == 200
    await client.close()
    gone = [weakref.ref(client.client), weakref.ref(client.client._transport)]
    del client
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
