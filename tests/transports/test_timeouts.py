"""The steps of a token request have one deadline between them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from prio_middleware.transports import timeouts as timeouts_module
from prio_middleware.transports.timeouts import LEAST, STEPS, Timeouts


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("spent", "allowed"), [(0.0, 10.0), (19.0, 10.0), (25.0, 5.0), (30.0, LEAST), (99.0, LEAST)])
def test_a_step_may_take_what_those_before_it_left(
    monkeypatch: pytest.MonkeyPatch, step: str, spent: float, allowed: float
) -> None:
    timeouts = Timeouts(10.0, until=1030.0)
    # Not the clock of this process: an event loop of another thread, a sandbox's, would sleep by it.
    monkeypatch.setattr(timeouts_module, "time", SimpleNamespace(monotonic=lambda: 1000.0 + spent))

    assert timeouts.get(step) == allowed


def test_a_step_that_it_does_not_know_has_no_timeout() -> None:
    timeouts = Timeouts(10.0, until=0.0)

    assert timeouts.get("sing") is None
    assert timeouts.get("sing", 7) == 7
