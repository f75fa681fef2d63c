"""Effects in a coroutine: none of them blocks the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

from prio_middleware.oauth.effects import Effect, Pause, Post, Steps, Wait, arun
from prio_middleware.oauth.single_flight import InFlightFetch, NoResult
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth.helpers import URL

EFFECTS: dict[str, Callable[[InFlightFetch], Effect]] = {
    "a token request": lambda _: Post(TokenRequest(URL, {}, b"", timeout=1, total_seconds=1)),
    "another's fetch": lambda fetch: Wait(fetch, 2.0, 2.0),
    "the next attempt": lambda _: Pause(0.25),  # A busy machine may be away for a millisecond, and then trio draws lots.
}


def fetch_of_another_thread() -> InFlightFetch:
    made: list[InFlightFetch] = []
    thread = threading.Thread(target=lambda: made.append(InFlightFetch(lost_at=1000.0)))
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.anyio
@pytest.mark.pitfall(id="blocked-event-loop")
@pytest.mark.parametrize("effect", EFFECTS)
async def test_other_tasks_go_on_while_one_waits_for(effect: str) -> None:
    fetch, another_ran = fetch_of_another_thread(), anyio.Event()

    def steps() -> Steps[object]:
        return (yield EFFECTS[effect](fetch))

    async def send(_: TokenRequest) -> TokenResponse:
        await another_ran.wait()
        return TokenResponse(200)

    async def another() -> None:
        another_ran.set()
        fetch.complete(NoResult.ABANDONED)

    async with anyio.create_task_group() as group:
        group.start_soon(another)
        outcome = await arun(steps(), send)

        assert another_ran.is_set()
        assert outcome is not NoResult.TIMED_OUT
