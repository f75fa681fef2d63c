"""What is recorded of an operation of a shared store."""

from __future__ import annotations

import pytest

from prio_middleware.telemetry.names import CLIENT, ERROR_TYPE, STORE_DURATION, STORE_OPERATION
from prio_middleware.telemetry.providers import Telemetry
from prio_middleware.tokens.shared.observed import observer
from prio_middleware.tokens.shared.report import OperationSeen
from tests.telemetry.kit import Recorder


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(None, {}, id="it-answered"),
        pytest.param("TimeoutError", {ERROR_TYPE: "TimeoutError"}, id="it-did-not"),
        pytest.param("ResponseError WHATEVER a server says", {ERROR_TYPE: "ResponseError"}, id="it-said-something"),
    ],
)
def test_the_time_it_took_is_recorded_with_what_it_was_and_the_kind_of_its_failure(
    failure: str | None, error: dict[str, str]
) -> None:
    recorder = Recorder()
    with Telemetry(meter_provider=recorder.meter_provider).in_use():
        observer("observed")(OperationSeen("look", 0.125, failure, "closed"))

    (point,) = recorder.points(STORE_DURATION.name).values()
    assert dict(point.attributes) == {CLIENT: "observed", STORE_OPERATION: "look", **error}
    assert (point.count, point.sum) == (1, 0.125)
