"""What the provider waits for in a coroutine: nothing of it stops the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

from prio_middleware.tokens.effects import Effect, Pause, Post, Steps, Wait, arun
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.flight import Flight, Unanswered
from tests.tokens.kit import URL

EFFECTS: dict[str, Callable[[Flight], Effect]] = {
    "a token request": lambda _: Post(TokenRequest(URL, {}, b"", timeout=1, budget=1)),
    "another's fetch": lambda flight: Wait(flight, 2.0),
    "the next attempt": lambda _: Pause(0.25),  # A busy machine may be away for a millisecond, and then trio draws lots.
}


def flight_of_another_thread() -> Flight:
    made: list[Flight] = []
    thread = threading.Thread(target=lambda: made.append(Flight(until=1000.0)))
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.anyio
@pytest.mark.pitfall(id="blocked-event-loop")
@pytest.mark.parametrize("effect", EFFECTS)
async def test_other_tasks_go_on_while_one_waits_for(effect: str) -> None:
    flight, another_ran = flight_of_another_thread(), anyio.Event()

    def steps() -> Steps[object]:
        return (yield EFFECTS[effect](flight))

    async def send(_: TokenRequest) -> TokenAnswer:
        await another_ran.wait()
        return TokenAnswer(200)

    async def another() -> None:
        another_ran.set()
        flight.land(Unanswered.HANDED_OVER)

    async with anyio.create_task_group() as group:
        group.start_soon(another)
        outcome = await arun(steps(), send)

        assert another_ran.is_set()
        assert outcome is not Unanswered.OVERDUE
