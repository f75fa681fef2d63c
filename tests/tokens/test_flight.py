"""One fetch, many waiters: with real threads, real event loops and a real fork."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
import trio

from prio_middleware import (
    AccessToken,
    ClientCredentialsProvider,
    CredentialsRefusedError,
    TokenEndpointUnavailableError,
    TokenError,
)
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.flight import Flight, Unanswered
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens.kit import Clock, Server, answer, provider, refused, token


class SlowServer(Server):
    """Answers when the gate opens; says when the first request has come."""

    def __init__(self, *script: TokenAnswer) -> None:
        super().__init__(*script)
        self.gate = threading.Event()
        self.arrived = threading.Event()

    def __call__(self, request: TokenRequest) -> TokenAnswer:
        self.arrived.set()
        assert self.gate.wait(10)
        return super().__call__(request)

    async def answer_task(self, request: TokenRequest) -> TokenAnswer:
        self.arrived.set()
        await until(self.gate.is_set)
        return super().__call__(request)


async def aget(tokens: ClientCredentialsProvider, server: SlowServer) -> AccessToken:
    return await tokens.aget_token(DEFAULT_OPTIONS, None, server.answer_task)


def get(tokens: ClientCredentialsProvider, server: SlowServer) -> AccessToken:
    return tokens.get_token(DEFAULT_OPTIONS, None, server)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads too
            await anyio.sleep(0.001)


@pytest.mark.pitfall(id="cold-cache")
def test_sixty_four_threads_one_token_request() -> None:
    tokens, server = provider(), SlowServer()
    barrier = threading.Barrier(64)

    def call() -> AccessToken:
        barrier.wait()
        return get(tokens, server)

    with ThreadPoolExecutor(64) as pool:
        calls = [pool.submit(call) for _ in range(64)]
        assert server.arrived.wait(10)
        server.gate.set()
        serials = {call.result().serial for call in calls}

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.anyio
async def test_a_thousand_tasks_one_token_request() -> None:
    tokens, server = provider(), SlowServer()
    serials: set[int] = set()

    async def call() -> None:
        serials.add((await aget(tokens, server)).serial)

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(call)
        await until(server.arrived.is_set)
        server.gate.set()

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="lock-across-loops")
def test_threads_and_event_loops_of_both_kinds_share_one_flight() -> None:
    tokens, server = provider(), SlowServer()
    barrier = threading.Barrier(6)

    def wait_together(call: Callable[[], AccessToken]) -> AccessToken:
        barrier.wait()
        return call()

    runs: list[Callable[[], AccessToken]] = [
        lambda: get(tokens, server),
        lambda: get(tokens, server),
        lambda: asyncio.run(aget(tokens, server)),
        lambda: asyncio.run(aget(tokens, server)),
        lambda: trio.run(aget, tokens, server),
        lambda: trio.run(aget, tokens, server),
    ]
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(wait_together, run) for run in runs]
        assert server.arrived.wait(10)
        time.sleep(0.05)
        server.gate.set()
        serials = {call.result(10).serial for call in calls}

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cancelled-waiter")
@pytest.mark.anyio
async def test_a_cancelled_waiter_takes_nobody_along() -> None:
    tokens, server = provider(), SlowServer()
    got: list[AccessToken] = []

    async def call() -> None:
        got.append(await aget(tokens, server))

    async def call_and_be_cancelled() -> None:
        with anyio.move_on_after(0.01):
            await aget(tokens, server)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await until(server.arrived.is_set)
        group.start_soon(call)
        group.start_soon(call_and_be_cancelled)
        await anyio.sleep(0.05)
        server.gate.set()

    assert len(got) == 2
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cancelled-leader")
@pytest.mark.anyio
async def test_a_cancelled_leader_hands_over() -> None:
    tokens, server = provider(), SlowServer()
    got: list[AccessToken] = []

    async def call() -> None:
        got.append(await aget(tokens, server))

    leading = anyio.CancelScope()

    async def lead() -> None:
        with leading:
            await aget(tokens, server)

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await until(server.arrived.is_set)
        server.arrived.clear()
        for _ in range(10):
            group.start_soon(call)
        await anyio.sleep(0.01)
        leading.cancel()
        await until(server.arrived.is_set)
        server.gate.set()

    assert len(got) == 10
    assert len({token.serial for token in got}) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="shared-exception")
@pytest.mark.anyio
async def test_a_failure_reaches_every_waiter_once_each_with_an_error_of_its_own() -> None:
    tokens, server = provider(), SlowServer(refused("invalid_client", 401))
    errors: list[TokenError] = []

    async def call() -> None:
        with pytest.raises(CredentialsRefusedError) as caught:
            await aget(tokens, server)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await until(server.arrived.is_set)
        server.gate.set()

    assert len({id(error) for error in errors}) == 20
    assert len({id(error.__traceback__) for error in errors}) == 20
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="failure-for-all")
@pytest.mark.anyio
async def test_waiters_do_not_try_again_one_by_one_what_failed_for_all() -> None:
    tokens, server = provider(deadline=0.15), SlowServer(answer(503), token())
    errors: list[TokenError] = []

    async def call() -> None:
        with pytest.raises(TokenEndpointUnavailableError) as caught:
            await aget(tokens, server)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await until(server.arrived.is_set)
        server.gate.set()

    assert len(errors) == 20
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="sync-call-in-loop")
def test_a_sync_call_on_the_loop_that_leads_fetches_for_itself() -> None:
    tokens, server = provider(deadline=0.05), SlowServer(token(), token())

    async def main() -> tuple[AccessToken, AccessToken]:
        leader = asyncio.create_task(aget(tokens, server))
        await until(server.arrived.is_set)
        server.gate.set()
        mine = get(tokens, server)  # blocks the loop, so the leader cannot land meanwhile
        assert tokens.report().fetching  # its flight was not waited for until it was taken for lost
        return mine, await leader

    mine, led = asyncio.run(main())

    assert mine.serial != led.serial
    assert len(server.requests) == 2


@pytest.mark.pitfall(id="stopped-leader")
def test_a_leader_whose_loop_was_stopped_is_waited_for_within_bounds() -> None:
    tokens, server = provider(deadline=0.05), SlowServer()
    loop = asyncio.new_event_loop()
    leader = loop.create_task(aget(tokens, server))
    loop.run_until_complete(until(server.arrived.is_set))

    def call() -> AccessToken:
        return asyncio.run(aget(tokens, server))

    server.gate.set()  # the stopped loop does not notice
    with ThreadPoolExecutor(2) as pool:
        waiting, blocking = pool.submit(call), pool.submit(get, tokens, server)
        assert waiting.result(10).serial == blocking.result(10).serial
    assert len(server.requests) == 1
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(leader)
    loop.close()


@pytest.mark.pitfall(id="cancelled-waiter")
def test_a_waiter_whose_loop_is_closed_by_then_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    tokens, server = provider(), SlowServer()

    async def give_up() -> None:
        with anyio.move_on_after(0.01):
            await aget(tokens, server)

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(get, tokens, server)
        assert server.arrived.wait(10)
        asyncio.run(give_up())
        trio.run(give_up)
        server.gate.set()

        assert isinstance(leader.result(10), AccessToken)

    assert caplog.records == []


@pytest.mark.anyio
async def test_a_task_waits_no_longer_than_it_was_told_to() -> None:
    flight = Flight(until=0.0)
    began = time.monotonic()
    assert [await flight.await_(0.05), await flight.await_(10.0)] == [Unanswered.OVERDUE] * 2
    assert time.monotonic() - began >= 0.05


def test_ten_thousand_tasks_are_woken_by_one_call_and_need_one_alarm() -> None:
    flight = Flight(until=0.0)

    async def wait_together() -> None:
        loop: Any = asyncio.get_running_loop()
        calls, alarms = noting(loop, "call_soon_threadsafe"), noting(loop, "call_later")
        waiting = [asyncio.create_task(flight.await_(10.0)) for _ in range(10_000)]
        await asyncio.sleep(0)
        flight.land(Unanswered.HANDED_OVER)
        assert set(await asyncio.gather(*waiting)) == {Unanswered.HANDED_OVER}
        assert (len(calls), [alarm.cancelled() for alarm in alarms]) == (1, [True])

    def noting(loop: Any, method: str) -> list[asyncio.Handle]:
        made: list[asyncio.Handle] = []
        make = getattr(loop, method)

        def make_and_note(*args: Any) -> asyncio.Handle:
            made.append(make(*args))
            return made[-1]

        setattr(loop, method, make_and_note)
        return made

    asyncio.run(wait_together())


def test_a_task_of_trio_waits_where_trio_is_the_guest_of_asyncio() -> None:
    flight = Flight(until=0.0)

    async def be_a_host() -> Any:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            flight.await_, 10.0, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        loop.call_later(0.05, flight.land, Unanswered.HANDED_OVER)
        return (await ended).unwrap()

    assert asyncio.run(be_a_host()) is Unanswered.HANDED_OVER


def test_a_task_of_trio_waits_where_trio_runs_within_a_task_of_asyncio() -> None:
    """As in a notebook."""
    flight = Flight(until=0.0)

    async def run_trio() -> Any:
        return trio.run(flight.await_, 10.0)

    landing = threading.Timer(0.05, flight.land, [Unanswered.HANDED_OVER])
    landing.start()
    assert asyncio.run(run_trio()) is Unanswered.HANDED_OVER
    landing.join()


@pytest.mark.anyio
async def test_ahead_a_task_refreshes_beside_its_trigger() -> None:
    clock = Clock()
    tokens, server = provider(clock, refresh="ahead"), SlowServer(token(4), token())
    server.gate.set()
    first = await aget(tokens, server)
    server.gate.clear()
    server.arrived.clear()
    clock.now += 3.7

    assert await aget(tokens, server) is first
    await until(server.arrived.is_set)
    server.gate.set()
    await until(lambda: tokens.current(DEFAULT_OPTIONS, None) is not None)

    assert len(server.requests) == 2


def test_ahead_a_thread_refreshes_beside_its_trigger() -> None:
    clock = Clock()
    tokens, server = provider(clock, refresh="ahead"), SlowServer(token(4), token())
    server.gate.set()
    first = get(tokens, server)
    server.gate.clear()
    server.arrived.clear()
    clock.now += 3.7

    assert get(tokens, server) is first
    assert server.arrived.wait(10)
    server.gate.set()
    refreshed = tokens.current(DEFAULT_OPTIONS, None)
    while refreshed is None:
        time.sleep(0.001)
        refreshed = tokens.current(DEFAULT_OPTIONS, None)

    assert refreshed.serial > first.serial


def test_where_no_thread_can_be_started_the_token_in_hand_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    tokens, server = provider(clock, refresh="ahead"), SlowServer(token(4), token())
    server.gate.set()
    first = get(tokens, server)
    clock.now += 3.7

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert get(tokens, server) is first
    clock.now += 1

    assert get(tokens, server).serial > first.serial


@pytest.mark.pitfall(id="fork-during-fetch")
def test_a_child_forked_while_a_fetch_is_under_way_does_not_wait_for_it() -> None:
    script = """
        import os, threading, warnings
        from tests.tokens.kit import provider
        from tests.tokens.test_flight import SlowServer, get

        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads: that is the point
        tokens, server = provider(), SlowServer()
        leader = threading.Thread(target=get, args=(tokens, server))
        leader.start()
        server.arrived.wait(10)
        child = os.fork()
        if child == 0:
            server.gate = threading.Event()
            server.gate.set()
            get(tokens, server)
            os._exit(len(server.requests))
        _, status = os.waitpid(child, 0)
        server.gate.set()
        leader.join()
        print("child asked", os.waitstatus_to_exitcode(status))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=25, check=False
    )

    assert ended.stdout == "child asked 1\n", ended.stderr


def test_a_thousand_fetches_leave_nothing_behind() -> None:
    tokens = provider()
    server = SlowServer(token(0))
    server.gate.set()
    for _ in range(100):
        get(tokens, server)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        get(tokens, server)
        server.requests.clear()
    gc.collect()

    assert len(gc.get_objects()) - before < 100
