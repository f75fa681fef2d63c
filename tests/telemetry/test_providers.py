"""OpenTelemetry providers of a call, and records of cancelled calls."""

from __future__ import annotations

import importlib.metadata

import pytest

from prio_middleware.telemetry.counters import ClientCounters
from prio_middleware.telemetry.logs import Reauthentication
from prio_middleware.telemetry.metrics import GLOBAL, Telemetry, telemetry, version
from prio_middleware.telemetry.names import REAUTHENTICATE
from tests.telemetry.helpers import Recorder, attributes


def test_the_version_is_that_of_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version() == importlib.metadata.version("prio-middleware")

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert version.__wrapped__() == ""


def test_the_providers_in_use_are_those_of_the_innermost_caller() -> None:
    outer, inner = Telemetry(), Telemetry()
    assert telemetry() is GLOBAL
    with outer.in_use():
        with inner.in_use():
            assert telemetry() is inner
        assert telemetry() is outer
    assert telemetry() is GLOBAL


def test_a_cancelled_retry_is_no_failed_retry(recorder: Recorder) -> None:
    counters = ClientCounters("shop")
    watch = Reauthentication(Telemetry(recorder.tracer_provider), counters, "shop", 401, None)
    with pytest.raises(KeyboardInterrupt), watch:
        raise KeyboardInterrupt
    assert attributes(recorder.span(REAUTHENTICATE))["error.type"] == "cancelled"
    assert set(counters.reauthentications.values()) == {0}
