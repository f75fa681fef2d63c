"""Timeouts of token requests: one deadline for all steps."""

from __future__ import annotations

import itertools
import time

import pytest

from prio_middleware import build
from prio_middleware.transports.deadlines import MINIMUM_TIMEOUT, STEPS, Timeouts
from tests.transports.matrix import MatrixClient, Server


@pytest.mark.parametrize("step", STEPS)
def test_a_step_may_take_what_those_before_it_left(step: str) -> None:
    moments = iter([1000.0, 1000.0, 1019.0, 1025.0, 1030.0, 1099.0])
    timeouts = Timeouts(10.0, 30.0, clock=lambda: next(moments))

    assert [timeouts.get(step) for _ in range(5)] == [10.0, 10.0, 5.0, MINIMUM_TIMEOUT, MINIMUM_TIMEOUT]


def test_a_step_that_it_does_not_know_has_no_timeout() -> None:
    timeouts = Timeouts(10.0, 0.0)

    assert timeouts.get("sing") is None
    assert timeouts.get("sing", 7) == 7


@pytest.mark.pitfall(id="frozen-clock")
def test_a_clock_that_a_test_freezes_ends_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    # freezegun freezes the clock for some callers and not for others, by the depth of their stack.
    # No moment of the future: event loops of other threads would sleep until then.
    frozen = itertools.cycle([0.0, time.monotonic()])
    build.forget()
    matrix = MatrixClient("httpx-sync")
    with matrix.client(Server(matrix)).client as client:
        monkeypatch.setattr(time, "monotonic", lambda: next(frozen))
        assert client.get("/orders").status_code == 200
