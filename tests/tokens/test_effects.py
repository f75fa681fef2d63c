"""The loops that do what a provider wants done."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

from prio_middleware.tokens.effects import Effect, Pause, Post, Steps, Wait, arun
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.flight import Flight, Unanswered
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens.kit import endpoint

pytestmark = pytest.mark.anyio


def flight_of_another_thread() -> Flight:
    made: list[Flight] = []
    thread = threading.Thread(target=lambda: made.append(Flight(until=1000.0)))
    thread.start()
    thread.join()
    return made[0]


EFFECTS: dict[str, Callable[[Flight], Effect]] = {
    "post": lambda _: Post(endpoint().request(DEFAULT_OPTIONS, 2.0, 1.0)),
    "wait": lambda flight: Wait(flight, 2.0),
    "pause": lambda _: Pause(0.001),
}


@pytest.mark.pitfall(id="blocked-event-loop")
@pytest.mark.parametrize("effect", EFFECTS)
async def test_other_tasks_go_on_whatever_one_waits_for(effect: str) -> None:
    flight, gate = flight_of_another_thread(), anyio.Event()

    def steps() -> Steps[object]:
        return (yield EFFECTS[effect](flight))

    async def send(_: TokenRequest) -> TokenAnswer:
        await gate.wait()
        return TokenAnswer(200)

    async def go_on() -> None:
        gate.set()
        flight.land(Unanswered.HANDED_OVER)

    async with anyio.create_task_group() as group:
        group.start_soon(go_on)
        outcome = await arun(steps(), send)
        assert gate.is_set()

    assert outcome is not Unanswered.OVERDUE
