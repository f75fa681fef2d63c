"""The two loops that do what the provider wants done."""

from __future__ import annotations

import threading

import anyio.to_thread
import pytest

from prio_middleware import TokenError
from prio_middleware.tokens.effects import Ask, Pause, Post, Steps, arun, run
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.failures import Failures
from prio_middleware.tokens.flight import Flights
from prio_middleware.tokens.token import DEFAULT_OPTIONS, TokenOptions

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


def test_the_number_of_remembered_failures_is_bounded() -> None:
    failures = Failures(10.0, limit=5)
    for number in range(50):
        failures.record(TokenOptions(scope=str(number)), TokenError("no"), 0.0)

    assert sum(failures.get(TokenOptions(scope=str(number))) is not None for number in range(50)) <= 5


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
