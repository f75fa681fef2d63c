"""A token fetch and its callers: it outlives those that leave, and ends at its deadline or with its client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import prio_middleware
from prio_middleware import ClientClosedError, TokenEndpointUnavailableError, TokenError, build
from prio_middleware.sandbox import Sandbox
from tests.long.e2e.client_kind import EVERY_KIND, FAR, PRODUCT, SYNC, TIMEOUT, ClientKind, does_not_hang, until
from tests.long.e2e.dripping import DRIPS, Dripping, dripping

pytestmark = pytest.mark.anyio

AWAITING = ["httpx-asyncio over TLS", "httpx2-trio over TLS"]
DRIPPED = [
    *((kind, drip) for kind in SYNC for drip in ["silent handshake", *DRIPS]),
    *((kind, drip) for kind in ["httpx-asyncio over TLS", "httpx2-trio over TLS"] for drip in ["silent handshake", "headers"]),
]


def library_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("prio_middleware")}


def settings_for(kind: ClientKind, server: Dripping, **changes: Any) -> Any:
    return kind.settings(token_url=f"{server.url}/token", ca_file=server.ca_file, **changes)


@pytest.mark.pitfall(id="impatient-callers")
@pytest.mark.parametrize("kind", AWAITING, indirect=True)
async def test_a_hundred_impatient_callers_make_one_token_request_and_later_ones_find_its_token(
    kind: ClientKind,
) -> None:
    kind.admin.configure(token_delay=60)
    gave_up: list[bool] = []

    async def call_impatiently() -> None:
        with anyio.move_on_after(0.1) as scope:
            await client.get(PRODUCT)
        gave_up.append(scope.cancelled_caught)

    async with kind.client() as client:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(call_impatiently)
        assert gave_up == [True] * 100
        await kind.let_go(lambda: kind.admin.counts().tokens_issued == 1)
        assert [(await client.get(PRODUCT)).status_code for _ in range(20)] == [200] * 20
    assert kind.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="impatient-callers")
@pytest.mark.parametrize("kind", EVERY_KIND, indirect=True)
async def test_the_read_timeout_of_a_request_bounds_its_wait_for_a_token(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=60)
    async with kind.client() as client:
        with does_not_hang(), pytest.raises(TokenEndpointUnavailableError, match="read timeout"):
            await client.get(PRODUCT, timeout=0.1)
        await kind.let_go(lambda: kind.admin.counts().tokens_issued == 1)
        assert (await client.get(PRODUCT)).status_code == 200
    assert kind.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="dripped-answers")
@pytest.mark.parametrize(("kind", "drip"), DRIPPED, indirect=["kind"])
async def test_a_token_request_is_cut_off_at_its_deadline_whatever_its_server_drips(
    kind: ClientKind, drip: str, tmp_path: Path
) -> None:
    before = library_threads()  # A subscriber of another test may listen until it is collected.
    with dripping(drip, tmp_path) as server:
        settings = settings_for(kind, server, token_deadline=0.6, token_timeout=0.5)
        async with kind.client(settings) as client:
            with does_not_hang(), pytest.raises(TokenEndpointUnavailableError) as caught:
                await client.get(PRODUCT, timeout=FAR)
            assert (caught.value.client, caught.value.url) == ("shop", f"{server.url}/token")
            await until(lambda: library_threads() <= before)


@pytest.mark.pitfall(id="closed-client")
@pytest.mark.parametrize("kind", [*SYNC, *AWAITING], indirect=True)
@pytest.mark.parametrize("drip", ["silent handshake", "silent"])
async def test_closing_a_client_ends_its_fetch_and_answers_its_callers(kind: ClientKind, drip: str, tmp_path: Path) -> None:
    errors: list[TokenError] = []
    before = library_threads()
    with dripping(drip, tmp_path) as server:
        client = kind.make(settings_for(kind, server, token_timeout=FAR))

        async def call() -> None:
            with pytest.raises(ClientClosedError) as caught:
                await client.get(PRODUCT, timeout=FAR)
            errors.append(caught.value)

        with does_not_hang():
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(call)
                await anyio.to_thread.run_sync(server.connected.wait, TIMEOUT)
                await until(lambda: build.registry.client("shop").waiting == 2)  # And the one who began the fetch.
                await client.close()
        assert len(errors) == 3
        await until(lambda: library_threads() <= before)


@pytest.mark.pitfall(id="closed-client")
@pytest.mark.parametrize("kind", SYNC, indirect=True)
async def test_a_fetch_that_another_client_waits_for_survives_the_client_that_began_it(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=60)
    settings = kind.settings()
    statuses: list[int] = []
    closing = kind.make(settings)
    async with kind.client(settings) as other, anyio.create_task_group() as group:

        async def call_and_be_closed() -> None:
            with pytest.raises(ClientClosedError):
                await closing.get(PRODUCT, timeout=FAR)

        async def call() -> None:
            statuses.append((await other.get(PRODUCT, timeout=FAR)).status_code)

        group.start_soon(call_and_be_closed)
        await until(lambda: kind.admin.counts().token_requests == 1)
        group.start_soon(call)
        await anyio.sleep(0.1)
        await closing.close()
        await kind.let_go(lambda: len(statuses) == 1)
    assert statuses == [200]


FROZEN = """
    import os, signal, subprocess, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor
    from prio_middleware.httpx import client

    def call(prio):
        return prio.get("/products/1004", timeout=30).status_code

    with client() as prio, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, prio) for _ in range(4)]
        print("asking", flush=True)
        print([each.result() for each in calls], flush=True)
"""


@pytest.mark.pitfall(id="frozen-process")
@pytest.mark.parametrize("kind", SYNC[:1], indirect=True)
def test_a_process_that_is_stopped_within_a_fetch_tries_once_more(kind: ClientKind, tmp_path: Path) -> None:
    assert isinstance(kind.sandbox, Sandbox)
    kind.admin.configure(token_delay=60)
    environment = {
        **os.environ,
        **kind.sandbox.environment(),
        "PYTHONPATH": str(Path(prio_middleware.__file__).parents[1]),
        "PRIO_TOKEN_DEADLINE": "2",
        "PRIO_TOKEN_TIMEOUT": "2",
    }
    command = [sys.executable, "-c", textwrap.dedent(FROZEN)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asking\n"
            until_then = time.monotonic() + TIMEOUT
            while kind.admin.counts().token_requests == 0:
                assert time.monotonic() < until_then
                time.sleep(0.01)
            process.send_signal(signal.SIGSTOP)
            kind.admin.configure(token_delay=0)
            time.sleep(4)
            process.send_signal(signal.SIGCONT)
            out, _ = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert out == "[200, 200, 200, 200]\n"
    assert kind.admin.counts().token_requests <= 2


@pytest.mark.parametrize("kind", SYNC[:1], indirect=True)
def test_an_interrupt_of_a_caller_leaves_the_fetch_for_the_next_call(kind: ClientKind) -> None:
    kind.admin.configure(token_delay=60)
    main = threading.get_ident()

    def interrupt() -> None:
        until_then = time.monotonic() + TIMEOUT
        while kind.admin.counts().token_requests == 0 and time.monotonic() < until_then:
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting = threading.Thread(target=interrupt)
    try:
        with kind.make().client as client:
            interrupting.start()
            with pytest.raises(KeyboardInterrupt):
                client.get(PRODUCT, timeout=FAR)
            kind.admin.configure(token_delay=0)
            kind.admin.release()
            assert client.get(PRODUCT).status_code == 200
    finally:
        interrupting.join()
        signal.signal(signal.SIGINT, before)
    assert kind.admin.counts().token_requests == 1
