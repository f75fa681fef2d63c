from __future__ import annotations

import pytest
from starlette.types import Message

from prio_middleware.sandbox import Clock, SandboxApp, SandboxOptions
from prio_middleware.sandbox.state import Limits

from .helpers import Caller, code, new_caller


def admitted(limits: Limits, moments: list[float], caller: str = "10.0.0.1") -> list[bool]:
    return [limits.admit(caller, now, enforced=True) is None for now in moments]


def test_the_thousandth_request_of_a_minute_comes_in_and_the_next_does_not() -> None:
    assert admitted(Limits(), [1.0] * 1001) == [True] * 1000 + [False]


def test_the_minute_rolls() -> None:
    assert all(admitted(Limits(), [step / 16 for step in range(3000)]))


def test_a_block_lasts_a_minute_and_is_not_prolonged_by_trying() -> None:
    limits = Limits()
    admitted(limits, [0.0] * 1001)

    assert limits.admit("10.0.0.1", 20.0, enforced=True) == 40.0
    assert admitted(limits, [59.9, 60.0]) == [False, True]


def test_more_than_sixty_refusals_in_a_minute_block() -> None:
    limits = Limits()
    for _ in range(60):
        limits.count_client_error("10.0.0.1", 5.0, enforced=True)
    assert admitted(limits, [6.0]) == [True]
    limits.count_client_error("10.0.0.1", 5.0, enforced=True)

    assert admitted(limits, [6.0]) == [False]
    assert admitted(limits, [6.0], "10.0.0.2") == [True]


def test_refusals_are_forgotten_after_a_minute_and_after_a_block() -> None:
    limits = Limits()
    for _ in range(60):
        limits.count_client_error("10.0.0.1", 0.0, enforced=True)

    assert limits.client_errors(30.0) == 60
    limits.count_client_error("10.0.0.1", 60.0, enforced=True)
    assert limits.client_errors(60.0) == 1
    assert admitted(limits, [60.0]) == [True]


def test_limits_that_are_not_enforced_only_count() -> None:
    limits = Limits()
    for _ in range(2000):
        limits.count_client_error("10.0.0.1", 0.0, enforced=False)

    assert all(limits.admit("10.0.0.1", 0.0, enforced=False) is None for _ in range(2000))
    assert limits.client_errors(0.0) == 2000


@pytest.mark.anyio
async def test_a_caller_that_collects_refusals_is_off_the_air_for_a_minute(
    caller: Caller, app: SandboxApp, clock: Clock
) -> None:
    token = await caller.token()
    refusals = [await caller.call("GET", "/reports/sales", token) for _ in range(61)]
    blocked = await caller.call("GET", "/products", token)
    also_blocked = await caller.send("GET", "/system/ping")
    token_blocked = await caller.ask()
    counts = app.admin.counts()
    clock.advance(60)
    again = await caller.call("GET", "/products", token)

    assert {response.status_code for response in refusals} == {403}
    assert (blocked.status_code, code(blocked)) == (429, "TOO_MANY_REQUESTS")
    assert blocked.headers["retry-after"] == "60"
    assert {also_blocked.status_code, token_blocked.status_code} == {429}
    assert counts.blocked == 3
    assert again.status_code == 200


@pytest.mark.anyio
async def test_callers_without_an_address_are_one_caller(app: SandboxApp) -> None:
    async def call() -> int:
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            messages.append(message)

        path = f"{app.base_path}/products"
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "https", "headers": []}
        await app(scope, receive, send)
        return int(messages[0]["status"])

    assert [await call() for _ in range(62)] == [400] * 61 + [429]


@pytest.mark.anyio
async def test_limits_can_be_switched_off() -> None:
    caller = new_caller(SandboxOptions(limits=False))
    statuses = [(await caller.send("GET", "/products")).status_code for _ in range(70)]

    assert statuses == [400] * 70
