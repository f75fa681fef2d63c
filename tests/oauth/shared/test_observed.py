"""Metrics of a shared store's operations."""

from __future__ import annotations

import pytest

from prio_middleware.oauth.shared.store import store_observer
from prio_middleware.telemetry.counters import ClientCounters
from prio_middleware.telemetry.metrics import Telemetry
from prio_middleware.telemetry.names import ERROR_TYPE, STORE_DURATION, STORE_OPERATION
from tests.telemetry.helpers import Recorder


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(None, {}, id="it-answered"),
        pytest.param("TimeoutError", {ERROR_TYPE: "timeout"}, id="it-did-not"),
        pytest.param("TimeoutError WHATEVER a server says", {ERROR_TYPE: "timeout"}, id="it-said-more"),
        pytest.param("ResponseError WHATEVER a server says", {ERROR_TYPE: "_OTHER"}, id="it-said-something"),
    ],
)
def test_the_time_it_took_is_recorded_with_what_it_was_and_the_kind_of_its_failure(
    failure: str | None, error: dict[str, str]
) -> None:
    recorder = Recorder()
    with Telemetry(meter_provider=recorder.meter_provider).in_use():
        store_observer(ClientCounters("observed"))("read", 0.125, failure)

    (point,) = recorder.points(STORE_DURATION.name).values()
    assert dict(point.attributes) == {STORE_OPERATION: "read", **error}
    assert (point.count, point.sum) == (1, 0.125)
