"""The two loops that do what the provider wants done."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from opentelemetry import context as otel

from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Background, Call, Pause, Post, RunBlocking, Steps, arun, run
from prio_middleware.oauth.single_flight import Crash, InFlightFetch, NoResult, SingleFlight
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.kinds import EVENT_LOOPS
from tests.oauth.helpers import TIMEOUT, run_and_close, until

REQUEST = TokenRequest("https://auth.example/token", {}, b"", timeout=1, total_seconds=1)


def steps(log: list[str]) -> Steps[str]:
    try:
        yield Pause(0.001)
        answer = yield Post(REQUEST)
        return f"answered {answer.status_code}"
    finally:
        log.append("closed")


class Interrupted(BaseException):
    """As a signal or a cancellation is: no ``Exception``."""


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_before_it_starts_has_ended(anyio_backend: str) -> None:
    called, ended = list[str](), list[bool]()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Call(called.append, "a", 10.0, lambda: ended.append(True)).ado(no_send)

    assert (called, ended) == ([], [True])


@pytest.mark.anyio
async def test_a_coroutine_function_is_awaited_before_its_call_has_ended(anyio_backend: str) -> None:
    events: list[str] = []

    async def load(name: str) -> str:
        await anyio.lowlevel.checkpoint()
        events.append(name)
        return f"of {name}"

    result = await Call(load, "berlin", TIMEOUT, lambda: events.append("ended")).ado(no_send)

    assert result == "of berlin"
    assert events == ["berlin", "ended"]


def test_a_sync_client_closes_the_coroutine_of_a_resolver() -> None:
    async def load(_: str) -> None:
        pass

    coroutine = Call(load, "berlin", TIMEOUT, lambda: None).do(lambda _: TokenResponse(200))

    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


@pytest.mark.anyio
async def test_a_call_that_takes_too_long_is_a_crash(anyio_backend: str) -> None:
    ended: list[bool] = []

    async def sleep(_: str) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        result = await Call(sleep, "a", 0.01, lambda: ended.append(True)).ado(no_send)

    assert isinstance(result, Crash)
    assert isinstance(result.error, TimeoutError)
    assert ended == [True]


@pytest.mark.anyio
async def test_a_blocking_call_that_takes_too_long_goes_on_in_its_thread(anyio_backend: str) -> None:
    goes_on, ended = threading.Event(), list[bool]()

    result = await Call(lambda _: goes_on.wait(10), "a", 0.01, lambda: ended.append(True)).ado(no_send)
    assert ended == []
    goes_on.set()
    await until(lambda: ended)

    assert isinstance(result, Crash)
    assert isinstance(result.error, TimeoutError)


def test_what_a_call_raises_is_its_crash(subtests: pytest.Subtests) -> None:
    def fail(_: str) -> None:
        raise LookupError

    async def afail(_: str) -> None:
        raise LookupError

    def later(name: str) -> Any:
        return afail(name)

    def ado(function: Callable[[str], Any]) -> Any:
        return anyio.run(Call(function, "a", TIMEOUT, lambda: None).ado, no_send)

    results = {
        "blocking": Call(fail, "a", TIMEOUT, lambda: None).do(lambda _: TokenResponse(200)),
        "in a worker thread": ado(fail),
        "awaited": ado(afail),
        "an awaitable of a function": ado(later),
    }
    for name, result in results.items():
        with subtests.test(name):
            assert isinstance(result, Crash)
            assert isinstance(result.error, LookupError)


def test_without_an_event_loop_no_task_is_started() -> None:
    started: Any = Background(steps([]), InFlightFetch(0.0)).ado(no_send)
    with pytest.raises(StopIteration) as end:
        started.send(None)

    assert end.value.value is False


async def no_send(request: TokenRequest) -> TokenResponse:
    raise AssertionError


def test_what_is_sent_is_the_request() -> None:
    sent: list[TokenRequest] = []

    def send(request: TokenRequest) -> TokenResponse:
        sent.append(request)
        return TokenResponse(200)

    async def asend(request: TokenRequest) -> TokenResponse:
        return send(request)

    run(steps([]), send)
    anyio.run(arun, steps([]), asend)

    assert sent == [REQUEST, REQUEST]


def test_a_request_is_sent_in_the_context_of_its_span_or_else_of_its_caller() -> None:
    key, seen = otel.create_key("span"), list[object]()

    def send(request: TokenRequest) -> TokenResponse:
        seen.append((request, otel.get_value(key)))
        return TokenResponse(200)

    async def asend(request: TokenRequest) -> TokenResponse:
        return send(request)

    caller = otel.attach(otel.set_value(key, "caller"))
    try:
        for effect in (Post(REQUEST, otel.set_value(key, "fetch", otel.Context())), Post(REQUEST)):
            answers = [effect.do(send), anyio.run(effect.ado, asend)]
            assert [answer.status_code for answer in answers] == [200, 200]
            assert otel.get_value(key) == "caller"
    finally:
        otel.detach(caller)

    assert seen == [(REQUEST, "fetch")] * 2 + [(REQUEST, "caller")] * 2


def test_blocking() -> None:
    assert run(steps([]), lambda _: TokenResponse(200)) == "answered 200"


@pytest.mark.anyio
async def test_awaiting() -> None:
    async def send(_: TokenRequest) -> TokenResponse:
        return TokenResponse(200)

    assert await arun(steps([]), send) == "answered 200"


def test_an_interrupt_ends_the_steps() -> None:
    log: list[str] = []

    def send(_: TokenRequest) -> TokenResponse:
        raise Interrupted

    with pytest.raises(Interrupted):
        run(steps(log), send)

    assert log == ["closed"]


@pytest.mark.anyio
async def test_an_interrupt_ends_the_awaited_steps() -> None:
    log: list[str] = []

    async def send(_: TokenRequest) -> TokenResponse:
        raise Interrupted

    with pytest.raises(Interrupted):
        await arun(steps(log), send)

    assert log == ["closed"]


def test_the_background_of_a_thread_is_a_daemon_that_runs_the_fetch() -> None:
    seen: list[threading.Thread] = []
    fetch = InFlightFetch(0.0)

    def lead() -> Steps[None]:
        yield Pause(0.001)
        yield Post(REQUEST)
        fetch.complete(NoResult.ABANDONED)

    def send(_: TokenRequest) -> TokenResponse:
        seen.append(threading.current_thread())
        return TokenResponse(200)

    started = Background(lead(), fetch).do(send)

    assert started is True
    assert fetch.wait(10) is NoResult.ABANDONED
    assert [(thread.name, thread.daemon) for thread in seen] == [("prio_middleware.fetch", True)]
    assert fetch.thread == seen[0].ident  # So a call from within, an instrumentation's say, does not wait for itself.


def test_stopping_the_background_of_a_thread_cuts_off_its_request() -> None:
    fetch, log = InFlightFetch(0.0), list[str]()

    def send(request: TokenRequest) -> TokenResponse:
        assert request.stop
        with request.stop.cutting(lambda: log.append("cut off")):
            fetch.stop()
        return TokenResponse(200)

    Background(steps(log), fetch).do(send)

    assert fetch.wait(10) is NoResult.ABANDONED
    assert log == ["cut off", "closed"]


def test_where_no_thread_can_be_started_the_background_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    fetch = InFlightFetch(0.0)
    assert Background(steps([]), fetch).do(lambda _: TokenResponse(200)) is False
    assert fetch.wait(10) is NoResult.OWN_THREAD  # It is the caller's thread again.


@pytest.mark.anyio
async def test_the_background_of_a_task_goes_on_beside_its_trigger() -> None:
    done, gate = anyio.Event(), anyio.Event()
    fetch = InFlightFetch(lost_at=1000.0, start_by=1.0)

    async def send(_: TokenRequest) -> TokenResponse:
        await gate.wait()
        return TokenResponse(200)

    def lead() -> Steps[None]:
        yield Post(REQUEST)
        done.set()

    assert await Background(lead(), fetch).ado(send) is True
    assert not done.is_set()
    assert not fetch.has_ended(now=2.0)
    gate.set()
    with anyio.fail_after(10):
        await done.wait()
    assert fetch.has_ended(now=2.0)


@pytest.mark.parametrize("event_loop", EVENT_LOOPS)
@pytest.mark.anyio
async def test_the_background_of_a_task_has_the_context_of_its_trigger() -> None:
    trigger.set("a call")
    seen: list[str] = []

    async def send(_: TokenRequest) -> TokenResponse:
        seen.append(trigger.get("none"))
        return TokenResponse(200)

    await Background(steps([]), InFlightFetch(0.0)).ado(send)
    await until(lambda: seen)

    assert seen == ["a call"]


trigger: ContextVar[str] = ContextVar("trigger")


def endless(fetch: InFlightFetch) -> Steps[None]:
    try:
        yield Pause(TIMEOUT)
    finally:
        fetch.complete(NoResult.ABANDONED)


def test_an_application_that_cancels_all_tasks_does_not_wait_for_a_background_that_did_not_begin() -> None:
    fetch = InFlightFetch(1000.0)

    async def shut_down() -> object:
        await Background(endless(fetch), fetch).ado(no_send)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return await fetch.await_(TIMEOUT, TIMEOUT)

    assert asyncio.run(shut_down()) is NoResult.ABANDONED


@pytest.mark.parametrize("event_loop", EVENT_LOOPS)
def test_a_background_may_be_stopped_after_its_event_loop_has_ended(event_loop: str) -> None:
    fetch = InFlightFetch(1000.0)
    anyio.run(Background(endless(fetch), fetch).ado, no_send, backend=event_loop)
    fetch.stop()

    assert fetch.outcome is NoResult.ABANDONED


def test_nothing_is_left_of_a_task_whose_event_loop_was_closed(caplog: pytest.LogCaptureFixture) -> None:
    tasks = weakref.WeakSet[Any]()

    async def send(_: TokenRequest) -> Any:
        tasks.add(asyncio.current_task())
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            await anyio.lowlevel.checkpoint()  # This cannot be done any more.

    async def start() -> None:
        await Background(steps([]), InFlightFetch(0.0)).ado(send)
        await until(lambda: tasks)

    run_and_close(start())
    with caplog.at_level(logging.ERROR):
        asyncio.run(Background(steps([]), InFlightFetch(0.0)).ado(send))  # The next one of any event loop.
        gc.collect()

    assert list(tasks) == []
    assert caplog.records == []


def test_threads_that_begin_at_once_share_the_tasks_that_closed_event_loops_left() -> None:
    fetches, both_end_one = [InFlightFetch(0.0), InFlightFetch(0.0)], threading.Barrier(2)
    sent, ended = list[TokenRequest](), list[int]()

    async def send(request: TokenRequest) -> Any:
        sent.append(request)
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.append(both_end_one.wait(10))
            await anyio.lowlevel.checkpoint()  # This cannot be done any more.

    async def start() -> None:
        for fetch in fetches:
            await Background(steps([]), fetch).ado(send)
        await until(lambda: len(sent) == 2)

    run_and_close(start())
    with ThreadPoolExecutor(2) as pool:
        begun = [pool.submit(asyncio.run, Background(steps([]), InFlightFetch(0.0)).ado(no_send)) for _ in fetches]

    assert [it.result() for it in begun] == [True, True]
    assert [fetch.outcome for fetch in fetches] == [NoResult.ABANDONED] * 2
    assert sorted(ended) == [0, 1]


@pytest.mark.parametrize("event_loop", ["asyncio"])  # trio keeps its tasks itself
@pytest.mark.anyio
async def test_the_background_of_a_task_of_asyncio_is_kept_until_it_is_done() -> None:
    """Otherwise nothing would refer to it but what it waits for, which may refer to nothing else."""
    done = anyio.Event()
    answers: list[weakref.ref[asyncio.Future[TokenResponse]]] = []
    tasks: list[weakref.ref[Any]] = []

    async def send(_: TokenRequest) -> TokenResponse:
        answer: asyncio.Future[TokenResponse] = asyncio.get_running_loop().create_future()
        answers.append(weakref.ref(answer))
        tasks.append(weakref.ref(asyncio.current_task()))
        return await answer

    def lead() -> Steps[None]:
        yield Post(REQUEST)
        done.set()

    assert await Background(lead(), InFlightFetch(0.0)).ado(send) is True
    await anyio.wait_all_tasks_blocked()
    gc.collect()
    answer = answers[0]()
    assert answer is not None
    answer.set_result(TokenResponse(200))
    del answer
    with anyio.fail_after(10):
        await done.wait()
        while tasks[0]() is not None:  # It is not kept any longer, either.
            await anyio.lowlevel.checkpoint()
            gc.collect()


def test_dropping_a_fetch_leaves_its_successor() -> None:
    single_flight = SingleFlight()
    first, _ = single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0)
    single_flight.remove(first)
    second, _ = single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0)
    single_flight.remove(first)

    assert single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0) == (second, False)


def test_a_detached_fetch_is_in_progress_until_it_is_removed() -> None:
    single_flight = SingleFlight()
    fetch, _ = single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0)
    single_flight.detach_all()
    assert single_flight.in_progress() == [fetch]

    assert not single_flight.remove(fetch)
    assert single_flight.in_progress() == []


def test_a_fetch_that_its_caller_runs_may_be_told_to_stop() -> None:
    fetch = InFlightFetch(1000.0)
    fetch.stop()

    assert fetch.outcome is None


def test_a_forked_child_starts_without_the_parents_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    single_flight = SingleFlight()
    single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0)
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert not single_flight.is_in_progress(DEFAULT_OPTIONS)
    assert single_flight.join(DEFAULT_OPTIONS, 0.0, 20.0)[1]


def threads_of(number: int) -> Steps[list[int]]:
    found: list[int] = []
    while len(found) < number:
        found += ((yield RunBlocking(threading.get_ident)),)
    return found


def test_an_operation_is_done_in_the_thread_that_asks() -> None:
    assert run(threads_of(2), lambda _: TokenResponse(200)) == [threading.get_ident()] * 2


@pytest.mark.anyio
async def test_awaited_it_is_done_in_another_one_however_many_are_busy() -> None:
    async def send(_: TokenRequest) -> TokenResponse:
        return TokenResponse(200)

    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    anyio.to_thread.current_default_thread_limiter().acquire_on_behalf_of_nowait(object())  # ... and that one is taken

    assert threading.get_ident() not in await arun(threads_of(2), send)
    assert await Call(str.upper, "berlin", 10.0, lambda: None).ado(send) == "BERLIN"
