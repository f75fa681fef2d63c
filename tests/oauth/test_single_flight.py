"""One fetch, many waiters: with real threads and real event loops."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import trio

from prio_middleware import (
    AccessToken,
    ClientClosedError,
    ClientCredentialsProvider,
    CredentialsRefusedError,
    TokenEndpointUnavailableError,
    TokenError,
)
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import no_threads
from prio_middleware.oauth.failures import PACE
from prio_middleware.oauth.single_flight import GRACE, InFlightFetch, NoResult, SingleFlight
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth import helpers
from tests.oauth.helpers import (
    TIMEOUT,
    Clock,
    Gate,
    SlowServer,
    answer,
    endpoint,
    provider,
    refused,
    run_and_close,
    token,
    until,
    wait_for,
)


async def aget(tokens: ClientCredentialsProvider, server: SlowServer) -> AccessToken:
    return await tokens.aget_token(DEFAULT_OPTIONS, None, server.answer_task)


def get(tokens: ClientCredentialsProvider, server: SlowServer) -> AccessToken:
    return tokens.get_token(DEFAULT_OPTIONS, None, server)


def anyio_run_trio(coroutine: Any) -> object:
    async def main() -> object:
        return await coroutine

    return trio.run(main)


@pytest.mark.pitfall(id="cold-cache")
def test_sixty_four_threads_one_token_request() -> None:
    tokens, server = provider(), SlowServer()
    barrier = threading.Barrier(64)

    def call() -> AccessToken:
        barrier.wait()
        return get(tokens, server)

    with ThreadPoolExecutor(64) as pool:
        calls = [pool.submit(call) for _ in range(64)]
        server.arrived.wait()
        server.gate.set()
        serials = {call.result().serial for call in calls}

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.anyio
async def test_a_hundred_tasks_one_token_request() -> None:
    tokens, server = provider(), SlowServer()
    serials: set[int] = set()

    async def call() -> None:
        serials.add((await aget(tokens, server)).serial)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(call)
        await server.arrived.await_()
        server.gate.set()

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="lock-across-loops")
def test_threads_and_event_loops_of_both_kinds_share_one_fetch() -> None:
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
        server.arrived.wait()
        wait_for(lambda: tokens.counters.waiting == 5)
        server.gate.set()
        serials = {call.result(TIMEOUT).serial for call in calls}

    assert len(serials) == 1
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cancelled-waiter")
@pytest.mark.anyio
async def test_a_cancelled_waiter_cancels_no_other() -> None:
    tokens, server = provider(), SlowServer()
    got: list[AccessToken] = []
    waiting = anyio.CancelScope()

    async def call() -> None:
        got.append(await aget(tokens, server))

    async def call_and_be_cancelled() -> None:
        with waiting:
            await aget(tokens, server)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await server.arrived.await_()
        group.start_soon(call)
        group.start_soon(call_and_be_cancelled)
        await until(lambda: tokens.counters.waiting == 2)
        waiting.cancel()
        await until(lambda: tokens.counters.waiting == 1)
        server.gate.set()

    assert len(got) == 2
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="impatient-callers")
@pytest.mark.anyio
async def test_callers_that_give_up_leave_the_fetch_running_for_the_next_ones() -> None:
    tokens, server = provider(), SlowServer()

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(aget, tokens, server)
        await server.arrived.await_()
        await until(lambda: tokens.counters.waiting == 99)
        group.cancel_scope.cancel()
    assert tokens.counters.waiting == 0
    assert tokens.report().fetching
    server.gate.set()
    got = [await aget(tokens, server) for _ in range(2)]

    assert got[0] is got[1]
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="cancelled-leader")
@pytest.mark.anyio
async def test_the_caller_that_started_a_fetch_cancels_no_other_when_it_is_cancelled() -> None:
    tokens, server = provider(), SlowServer()
    got: list[AccessToken] = []
    beginning = anyio.CancelScope()

    async def call() -> None:
        got.append(await aget(tokens, server))

    async def begin() -> None:
        with beginning:
            await aget(tokens, server)

    async with anyio.create_task_group() as group:
        group.start_soon(begin)
        await server.arrived.await_()
        for _ in range(10):
            group.start_soon(call)
        await until(lambda: tokens.counters.waiting == 10)
        beginning.cancel()
        await anyio.wait_all_tasks_blocked()
        server.gate.set()

    assert len({token.serial for token in got}) == 1
    assert len(got) == 10
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="impatient-callers")
def test_a_thread_that_gives_up_leaves_the_fetch_running() -> None:
    tokens, server = provider(), SlowServer()
    with pytest.raises(TokenEndpointUnavailableError) as caught:
        tokens.get_token(DEFAULT_OPTIONS, None, server, max_wait=0.02)
    assert (caught.value.client, caught.value.url) == ("shop", helpers.URL)
    assert tokens.report().fetching
    server.gate.set()

    assert get(tokens, server).serial == get(tokens, server).serial
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="fetch-ends-early")
@pytest.mark.parametrize("run_loop", [asyncio.run, anyio_run_trio, run_and_close], ids=["asyncio", "trio", "closed loop"])
def test_a_fetch_ends_with_its_event_loop_and_the_next_caller_makes_another(
    run_loop: Callable[[Any], object], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    tokens, server = provider(clock), SlowServer()

    async def give_up() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(aget, tokens, server)
            await server.arrived.await_()
            group.cancel_scope.cancel()

    with caplog.at_level(logging.ERROR):
        run_loop(give_up())
        clock.now += PACE
        server.gate.set()
        assert isinstance(asyncio.run(aget(tokens, server)), AccessToken)
        gc.collect()

    assert len(server.requests) == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.pitfall(id="fetch-ends-early")
def test_thirty_short_event_loops_that_refresh_ahead_begin_one_fetch_in_a_second() -> None:
    clock = Clock()
    tokens, server = provider(clock, refresh="ahead"), SlowServer(token(1000))
    server.gate.set()
    first = get(tokens, server)
    server.gate.clear()
    clock.now += 985
    begun: list[bool] = []

    async def job() -> AccessToken:
        got = await aget(tokens, server)
        begun.append(tokens.report().fetching)
        return got

    for _ in range(30):
        assert asyncio.run(job()) is first
        clock.now += 0.125

    assert sum(begun) == 4


@pytest.mark.anyio
async def test_what_a_fetch_raises_reaches_every_caller_and_ends_no_event_loop() -> None:
    tokens = provider()
    errors: list[Exception] = []

    async def send(request: TokenRequest) -> TokenResponse:
        await until(lambda: tokens.counters.waiting == 2)
        raise LookupError("a transport with a mistake")

    async def call() -> None:
        with pytest.raises(LookupError) as caught:
            await tokens.aget_token(DEFAULT_OPTIONS, None, send)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(call)

    assert len({id(error) for error in errors}) == 3
    assert not tokens.report().fetching


def test_what_a_fetch_raises_in_its_thread_reaches_the_caller() -> None:
    class StubbornError(Exception):
        """It cannot be made again from its arguments."""

        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} {two}")

    def send(request: TokenRequest) -> TokenResponse:
        raise StubbornError(1, 2)

    with pytest.raises(StubbornError):
        provider().get_token(DEFAULT_OPTIONS, None, send)


# Closing a client.


@pytest.mark.pitfall(id="closed-client")
def test_closing_a_client_answers_its_callers_and_ends_its_fetch() -> None:
    tokens, server = provider(), SlowServer()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(get, tokens, server) for _ in range(2)]
        server.arrived.wait()
        wait_for(lambda: tokens.counters.waiting == 1)
        closing = pool.submit(tokens.release, server, keep=True)
        for call in calls:
            with pytest.raises(ClientClosedError) as caught:
                call.result(TIMEOUT)
            assert (caught.value.client, caught.value.url) == ("shop", helpers.URL)
        server.gate.set()  # It gives no handle to cut it off with.
        closing.result(TIMEOUT)

    assert not tokens.report().fetching
    assert tokens.report().failure is None


@pytest.mark.pitfall(id="closed-client")
@pytest.mark.anyio
async def test_closing_an_async_client_ends_its_fetch() -> None:
    tokens, server = provider(), SlowServer()
    errors: list[ClientClosedError] = []

    async def call() -> None:
        with pytest.raises(ClientClosedError) as caught:
            await aget(tokens, server)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(call)
        await server.arrived.await_()
        await until(lambda: tokens.counters.waiting == 1)
        await tokens.arelease(server.answer_task, keep=True)
        assert not tokens.report().fetching

    assert len(errors) == 2
    assert all(error.message for error in errors)
    assert server.requests == []


@pytest.mark.pitfall(id="closed-client")
@pytest.mark.parametrize("closes_async", [False, True])
@pytest.mark.parametrize(("keep", "asked"), [(True, (1, 0)), (False, (0, 1))])
def test_callers_of_another_client_keep_the_fetch_or_make_another(
    keep: bool, asked: tuple[int, int], closes_async: bool
) -> None:
    clock = Clock()
    tokens, closing, other, done = provider(clock), SlowServer(), SlowServer(), Gate()
    other.gate.set()

    async def run_the_first() -> None:
        with pytest.raises(ClientClosedError):
            await aget(tokens, closing)
        await done.await_()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(asyncio.run, run_the_first())
        closing.arrived.wait()
        second = pool.submit(get, tokens, other)
        wait_for(lambda: tokens.counters.waiting == 1)
        clock.now += PACE
        if closes_async:
            anyio.run(partial(tokens.arelease, closing.answer_task, keep=keep))
        else:
            tokens.release(closing.answer_task, keep=keep)
        closing.gate.set()
        assert isinstance(second.result(TIMEOUT), AccessToken)
        done.set()
        first.result(TIMEOUT)

    assert (len(closing.requests), len(other.requests)) == asked


def test_closing_a_client_that_fetches_nothing_leaves_the_fetches_of_others_alone() -> None:
    tokens, server = provider(), SlowServer()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(get, tokens, server)
        server.arrived.wait()
        tokens.replace_credentials(endpoint())  # No caller joins that fetch any more.
        tokens.release(lambda _: None, keep=True)
        server.gate.set()
        assert isinstance(call.result(TIMEOUT), AccessToken)


def test_closing_ends_a_fetch_with_credentials_that_were_replaced() -> None:
    tokens, server = provider(), SlowServer()
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(get, tokens, server)
        server.arrived.wait()
        tokens.replace_credentials(endpoint("rotated"))
        closing = pool.submit(tokens.release, server, keep=True)
        with pytest.raises(ClientClosedError):
            call.result(TIMEOUT)
        server.gate.set()
        closing.result(TIMEOUT)


# Threads.


@pytest.mark.pitfall(id="no-threads")
def test_under_uwsgi_without_threads_the_caller_fetches_itself(
    subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[tuple[dict[str, object], bool]] = [
        ({}, True),
        ({"enable-threads": b"true"}, False),
        ({"enable-threads": b"false"}, True),
        ({"enable-threads": b"\xff"}, False),
        ({"enable-threads": "1"}, False),
        ({"threads": b"4"}, False),
    ]
    values: tuple[object, ...] = ("", "0", "False", "no", "off", "none", None)
    off: list[dict[str, object]] = [{"enable-threads": value} for value in values]
    rows += [(options, True) for options in off]
    for options, inline in rows:
        with subtests.test(options=options):
            monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))

            assert (thread_of_the_fetch() is threading.current_thread()) == inline


@pytest.mark.pitfall(id="no-threads")
def test_before_a_fork_the_caller_fetches_itself() -> None:
    with no_threads():
        assert thread_of_the_fetch() is threading.current_thread()
    assert thread_of_the_fetch() is not threading.current_thread()


@pytest.mark.anyio
async def test_a_wait_for_a_fetch_that_is_lost_ends(anyio_backend: str) -> None:
    fetch = InFlightFetch(1000.0, DEFAULT_OPTIONS)
    with anyio.fail_after(TIMEOUT):
        assert await fetch.await_(0.02, 0.02) is NoResult.TIMED_OUT


def test_a_forked_child_does_not_end_the_fetches_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    flights = SingleFlight()
    fetch, starts = flights.join(DEFAULT_OPTIONS, 0.0, 20.0)
    assert starts
    assert fetch.lost_at == 20.0 + GRACE
    assert flights.in_progress() == [fetch]
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert flights.in_progress() == []


@pytest.mark.pitfall(id="no-threads")
def test_where_no_thread_can_be_started_the_caller_fetches_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert thread_of_the_fetch() is threading.current_thread()


def thread_of_the_fetch() -> threading.Thread:
    threads: list[threading.Thread] = []

    def send(request: TokenRequest) -> TokenResponse:
        threads.append(threading.current_thread())
        return token()

    provider().get_token(DEFAULT_OPTIONS, None, send)
    (thread,) = threads
    return thread


def test_pauses_between_attempts_end_with_the_fetch() -> None:
    tokens, server = provider(), SlowServer(answer(503, retry_after="15"))
    server.gate.set()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(get, tokens, server)
        wait_for(lambda: len(server.requests) == 1)
        tokens.release(server, keep=True)
        with pytest.raises(ClientClosedError):
            call.result(TIMEOUT)
    assert not tokens.report().fetching


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
        await server.arrived.await_()
        server.gate.set()

    assert len({id(error) for error in errors}) == 20
    assert len({id(error.__traceback__) for error in errors}) == 20
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="failure-for-all")
@pytest.mark.anyio
async def test_waiters_do_not_try_again_one_by_one_what_failed_for_all() -> None:
    tokens, server = provider(deadline_seconds=0.15), SlowServer(answer(503), token())
    errors: list[TokenError] = []

    async def call() -> None:
        with pytest.raises(TokenEndpointUnavailableError) as caught:
            await aget(tokens, server)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await server.arrived.await_()
        server.gate.set()

    assert len(errors) == 20
    assert len(server.requests) == 1


@pytest.mark.pitfall(id="sync-call-in-loop")
def test_a_sync_call_on_the_loop_of_the_fetch_fetches_for_itself() -> None:
    tokens, server = provider(deadline_seconds=0.05), SlowServer(token(), token())

    async def main() -> tuple[AccessToken, AccessToken]:
        leader = asyncio.create_task(aget(tokens, server))
        await server.arrived.await_()
        server.gate.set()
        mine = get(tokens, server)  # blocks the loop, so the leader cannot complete meanwhile
        assert tokens.report().fetching  # its fetch was not waited for until it counted as lost
        return mine, await leader

    mine, led = asyncio.run(main())

    assert mine.serial != led.serial
    assert len(server.requests) == 2


def test_a_call_within_its_own_fetch_fetches_for_itself_without_threads() -> None:
    tokens = provider()
    inner: list[AccessToken] = []

    def send(_: TokenRequest) -> TokenResponse:
        inner.append(tokens.get_token(DEFAULT_OPTIONS, None, lambda _: token()))
        return token()

    with no_threads():
        outer = tokens.get_token(DEFAULT_OPTIONS, None, send)

    assert [got.serial < outer.serial for got in inner] == [True]


@pytest.mark.pitfall(id="stopped-leader")
def test_a_fetch_whose_loop_was_stopped_is_not_waited_for() -> None:
    tokens, server = provider(), SlowServer()
    loop = asyncio.new_event_loop()
    starter = loop.create_task(aget(tokens, server))
    loop.run_until_complete(server.arrived.await_())

    def call() -> AccessToken:
        return asyncio.run(aget(tokens, server))

    server.gate.set()  # the stopped loop does not notice
    with ThreadPoolExecutor(2) as pool:
        waiting, blocking = pool.submit(call), pool.submit(get, tokens, server)
        assert waiting.result(TIMEOUT).serial == blocking.result(TIMEOUT).serial
    assert len(server.requests) == 1
    assert loop.run_until_complete(starter).serial  # It goes on where it was.
    loop.close()


@pytest.mark.pitfall(id="cancelled-waiter")
def test_a_waiter_whose_loop_is_closed_by_then_disturbs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    tokens, server = provider(), SlowServer()

    async def give_up() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(aget, tokens, server)
            await until(lambda: tokens.counters.waiting == 1)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(get, tokens, server)
        server.arrived.wait()
        asyncio.run(give_up())
        trio.run(give_up)
        server.gate.set()

        assert isinstance(leader.result(TIMEOUT), AccessToken)

    assert caplog.records == []


@pytest.mark.anyio
async def test_a_task_waits_no_longer_than_it_was_told_to() -> None:
    fetch = InFlightFetch(lost_at=0.0)
    began = time.monotonic()
    assert [await fetch.await_(0.05, 0.05), await fetch.await_(10.0, 10.0)] == [NoResult.TIMED_OUT] * 2
    assert 0.05 <= time.monotonic() - began < 10


def test_a_hundred_tasks_are_woken_by_one_call_and_need_one_alarm() -> None:
    fetch = InFlightFetch(lost_at=0.0)

    async def wait_together() -> None:
        loop: Any = asyncio.get_running_loop()
        calls, alarms = noting(loop, "call_soon_threadsafe"), noting(loop, "call_later")
        waiting = [asyncio.create_task(fetch.await_(10.0, 10.0)) for _ in range(100)]
        await anyio.wait_all_tasks_blocked()
        fetch.complete(NoResult.ABANDONED)
        assert set(await asyncio.gather(*waiting)) == {NoResult.ABANDONED}
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
    fetch = InFlightFetch(lost_at=0.0)

    async def be_a_host() -> Any:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            fetch.await_, 10.0, 10.0, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        loop.call_soon(fetch.complete, NoResult.ABANDONED)
        return (await ended).unwrap()

    assert asyncio.run(be_a_host()) is NoResult.ABANDONED


def test_a_task_of_trio_waits_where_trio_runs_within_a_task_of_asyncio() -> None:
    """As in a notebook."""
    fetch = InFlightFetch(lost_at=0.0)

    async def run_trio() -> Any:
        return trio.run(fetch.await_, 10.0, 10.0)

    landing = threading.Timer(0.05, fetch.complete, [NoResult.ABANDONED])
    landing.start()
    assert asyncio.run(run_trio()) is NoResult.ABANDONED
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
    await server.arrived.await_()
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
    server.arrived.wait()
    server.gate.set()
    wait_for(lambda: tokens.current(DEFAULT_OPTIONS, None))
    refreshed = tokens.current(DEFAULT_OPTIONS, None)

    assert refreshed is not None
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


def test_many_fetches_leave_nothing_behind() -> None:
    def ours() -> int:
        """Objects of this package: coverage keeps a tracer of each thread."""
        gc.collect()
        return sum(type(found).__module__.startswith("prio_middleware") for found in gc.get_objects())

    tokens = provider()
    server = SlowServer(token(0))
    server.gate.set()
    for _ in range(10):
        get(tokens, server)
    before = ours()
    for _ in range(100):
        get(tokens, server)
        server.requests.clear()

    assert ours() - before < 10
