from __future__ import annotations

import time

import anyio
import pytest

from prio_middleware.sandbox.state import Clock
from prio_middleware.sandbox.wire import Pauses

pytestmark = pytest.mark.anyio


def test_the_clock_runs_and_can_be_advanced() -> None:
    clock = Clock()
    before = time.monotonic()
    assert before <= clock() <= time.monotonic()
    clock.advance(60)

    assert clock() >= before + 60


async def test_a_pause_ends() -> None:
    started = anyio.current_time()
    await Pauses().sleep(0.001)

    assert anyio.current_time() >= started + 0.001


async def test_a_pause_is_released_by_another_thread() -> None:
    pauses, ended = Pauses(), anyio.Event()

    async def pause() -> None:
        await pauses.sleep(3600)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pause)
        await anyio.wait_all_tasks_blocked()
        assert not ended.is_set()
        await anyio.to_thread.run_sync(pauses.release)
        with anyio.fail_after(60):
            await ended.wait()


async def test_after_the_close_nothing_pauses() -> None:
    pauses = Pauses()
    pauses.close()

    with anyio.fail_after(60):
        await pauses.sleep(3600)
