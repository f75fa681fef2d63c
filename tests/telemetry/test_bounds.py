"""However many there are, memory and series are bounded."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from http import HTTPStatus

from opentelemetry.context import Context

from prio_middleware.telemetry import metrics, names
from prio_middleware.telemetry.error_type import refusal_type
from prio_middleware.telemetry.names import METRICS
from prio_middleware.telemetry.providers import Telemetry
from prio_middleware.telemetry.tally import LEDGER
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.telemetry.kit import Recorder
from tests.tokens import kit

PREFIX = "prio_middleware."


def test_ten_thousand_clients_make_a_bounded_number_of_series(recorder: Recorder) -> None:
    telemetry = Telemetry(None, recorder.meter_provider)
    before = {tally.name for tally in LEDGER.tallies()}
    try:
        for number in range(10_000):
            tally = LEDGER.of(f"many {number}")
            instruments = metrics.of(telemetry, tally)
            for record in (instruments.record_fetch, instruments.record_wait):
                record(0.1, tally, {names.ERROR_TYPE: refusal_type(f"made_up_{number}", 400)}, Context())
            instruments.record_store(0.1, tally, {})
        shown = [metric for metric in METRICS if recorder.points(metric.name)]
        assert {metric.kind for metric in shown} == {"counter", "histogram", "updowncounter"}
        for metric in shown:
            by_client = Counter(attributes[names.CLIENT] for attributes in recorder.attributes(metric.name))
            assert 1 < len(by_client) <= 101  # The names of other tests' clients take their places, too.
            assert max(by_client.values()) <= len(HTTPStatus)
            assert "_other" in by_client
    finally:
        for name in {tally.name for tally in LEDGER.tallies()} - before:
            del LEDGER._tallies[name]


def test_ten_thousand_fetches_leave_nothing_behind(recorder: Recorder) -> None:
    clock, server = kit.Clock(), kit.Server()
    provider = kit.provider(clock)

    def fetch(times: int) -> None:
        with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
            for _ in range(times):
                kit.play(provider.acquire(DEFAULT_OPTIONS, None), server, clock)
                clock.now += 4000
        recorder.clear()
        server.requests.clear()

    fetch(500)
    gc.collect()
    before = sys.getallocatedblocks()
    fetch(10_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 2000
