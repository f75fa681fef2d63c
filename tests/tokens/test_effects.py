"""The two loops that do what the provider wants done."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from opentelemetry import context as otel

from prio_middleware.tokens import effects
from prio_middleware.tokens.effects import Ask, Background, Pause, Post, Steps, Within, arun, run
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.flight import Flight, Flights, Unanswered
from prio_middleware.tokens.token import DEFAULT_OPTIONS

REQUEST = TokenRequest("https://auth.example/token", {}, b"", timeout=1, budget=1)


def steps(log: list[str]) -> Steps[str]:
    try:
        yield Pause(0.001)
        answer = yield Post(REQUEST)
        return f"answered {answer.status_code}"
    finally:
        log.append("closed")


class Interrupted(BaseException):
    """As a signal or a cancellation is: no ``Exception``."""


def test_what_is_sent_is_the_request() -> None:
    sent: list[TokenRequest] = []

    def send(request: TokenRequest) -> TokenAnswer:
        sent.append(request)
        return TokenAnswer(200)

    async def asend(request: TokenRequest) -> TokenAnswer:
        return send(request)

    run(steps([]), send)
    anyio.run(arun, steps([]), asend)

    assert sent == [REQUEST, REQUEST]


def test_a_request_within_a_span_is_sent_while_its_context_is_the_current_one() -> None:
    key, seen = otel.create_key("span"), list[object]()
    effect = Within(Post(REQUEST), otel.set_value(key, "fetch", otel.Context()))

    def send(request: TokenRequest) -> TokenAnswer:
        seen.append((request, otel.get_value(key)))
        return TokenAnswer(200)

    async def asend(request: TokenRequest) -> TokenAnswer:
        return send(request)

    answers = [effect.do(send), anyio.run(effect.ado, asend)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert seen == [(REQUEST, "fetch")] * 2
    assert otel.get_value(key) is None


def test_blocking() -> None:
    assert run(steps([]), lambda _: TokenAnswer(200)) == "answered 200"


@pytest.mark.anyio
async def test_awaiting() -> None:
    async def send(_: TokenRequest) -> TokenAnswer:
        return TokenAnswer(200)

    assert await arun(steps([]), send) == "answered 200"


def test_an_interrupt_ends_the_steps() -> None:
    log: list[str] = []

    def send(_: TokenRequest) -> TokenAnswer:
        raise Interrupted

    with pytest.raises(Interrupted):
        run(steps(log), send)

    assert log == ["closed"]


@pytest.mark.anyio
async def test_an_interrupt_ends_the_awaited_steps() -> None:
    log: list[str] = []

    async def send(_: TokenRequest) -> TokenAnswer:
        raise Interrupted

    with pytest.raises(Interrupted):
        await arun(steps(log), send)

    assert log == ["closed"]


def test_the_background_of_a_thread_is_a_daemon_that_leads_the_flight() -> None:
    seen: list[threading.Thread] = []
    flight = Flight(0.0)

    def lead() -> Steps[None]:
        yield Post(REQUEST)
        flight.land(Unanswered.HANDED_OVER)

    def send(_: TokenRequest) -> TokenAnswer:
        seen.append(threading.current_thread())
        return TokenAnswer(200)

    started = Background(lead(), flight).do(send)

    assert started is True
    assert flight.wait(10) is Unanswered.HANDED_OVER
    assert [(thread.name, thread.daemon) for thread in seen] == [("prio_middleware.refresh", True)]
    assert flight.thread == seen[0].ident  # So a call from within, an instrumentation's say, does not wait for itself.


def test_where_no_thread_can_be_started_the_background_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert Background(steps([]), Flight(0.0)).do(lambda _: TokenAnswer(200)) is False


@pytest.mark.anyio
async def test_the_background_of_a_task_is_kept_until_it_is_done(anyio_backend: str) -> None:
    done, gate = anyio.Event(), anyio.Event()

    async def send(_: TokenRequest) -> TokenAnswer:
        await gate.wait()
        return TokenAnswer(200)

    def lead() -> Steps[None]:
        yield Post(REQUEST)
        done.set()

    assert await Background(lead(), Flight(0.0)).ado(send) is True
    await anyio.lowlevel.checkpoint()
    # asyncio keeps weak references only; trio's tasks are its own.
    assert len(effects._tasks) == (anyio_backend == "asyncio")
    assert all(isinstance(task, asyncio.Task) for task in effects._tasks)
    gate.set()
    with anyio.fail_after(10):
        await done.wait()
        while effects._tasks:
            await anyio.lowlevel.checkpoint()


def test_dropping_a_flight_leaves_its_successor() -> None:
    flights = Flights()
    first, _ = flights.board(DEFAULT_OPTIONS, 0.0)
    flights.drop(DEFAULT_OPTIONS, first)
    second, _ = flights.board(DEFAULT_OPTIONS, 0.0)
    flights.drop(DEFAULT_OPTIONS, first)

    assert flights.board(DEFAULT_OPTIONS, 0.0) == (second, False)


def test_a_forked_child_starts_without_the_parents_flights(monkeypatch: pytest.MonkeyPatch) -> None:
    flights = Flights()
    flights.board(DEFAULT_OPTIONS, 0.0)
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert not flights.is_open(DEFAULT_OPTIONS)
    assert flights.board(DEFAULT_OPTIONS, 0.0)[1]


def threads_of(number: int) -> Steps[list[int]]:
    found: list[int] = []
    while len(found) < number:
        found += ((yield Ask(threading.get_ident)),)
    return found


def test_an_operation_is_done_in_the_thread_that_asks() -> None:
    assert run(threads_of(2), lambda _: TokenAnswer(200)) == [threading.get_ident()] * 2


@pytest.mark.anyio
async def test_awaited_it_is_done_in_another_one_however_many_are_busy() -> None:
    async def send(_: TokenRequest) -> TokenAnswer:
        return TokenAnswer(200)

    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    anyio.to_thread.current_default_thread_limiter().acquire_on_behalf_of_nowait(object())  # ... and that one is taken

    assert threading.get_ident() not in await arun(threads_of(2), send)
