"""However many there are, memory and series are bounded."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from http import HTTPStatus

from opentelemetry.context import Context

from prio_middleware import CredentialsRefusedError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.telemetry import metrics, names
from prio_middleware.telemetry.counters import ClientCounters, MetricsRegistry
from prio_middleware.telemetry.logs import error_type
from prio_middleware.telemetry.metrics import Telemetry
from prio_middleware.telemetry.names import METRICS
from tests.oauth import helpers
from tests.telemetry.helpers import Recorder

PREFIX = "prio_middleware."


def test_a_thousand_clients_make_a_bounded_number_of_series(recorder: Recorder) -> None:
    telemetry, registry = Telemetry(None, recorder.meter_provider), MetricsRegistry()
    alone = []
    for number in range(1_000):
        alone.append(ClientCounters(f"alone {number}"))
        for counters in (registry.client(f"many {number}"), alone[-1]):
            instruments = metrics.instruments_for(telemetry, counters)
            counters.call_errors[error_type(CredentialsRefusedError("no", code=f"made_up_{number}"))] += 1
            instruments.record(names.FETCH_DURATION, 0.1, {names.ERROR_TYPE: "timeout"}, Context())
    shown = [metric for metric in METRICS if recorder.points(metric.name) and names.CLIENT in metric.attributes]
    assert {metric.kind for metric in shown} == {"counter", "updowncounter"}
    assert len(recorder.points(names.FETCH_DURATION.name)) == 1
    for metric in shown:
        by_client = Counter(attributes[names.CLIENT] for attributes in recorder.attributes(metric.name))
        assert len(by_client) == 101
        assert max(by_client.values()) <= len(HTTPStatus)
        assert "_other" in by_client


def test_thousands_of_fetches_leave_nothing_behind(recorder: Recorder) -> None:
    clock, server = helpers.Clock(), helpers.Server()
    provider = helpers.provider(clock)

    def fetch(times: int) -> None:
        with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
            for _ in range(times):
                helpers.play(provider.acquire(DEFAULT_OPTIONS, None), server, clock)
                clock.now += 4000
        recorder.clear()
        server.requests.clear()

    fetch(500)
    gc.collect()
    before = sys.getallocatedblocks()
    fetch(3_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000
