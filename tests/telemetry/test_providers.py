"""Whose OpenTelemetry is used, and what is recorded where somebody is cancelled."""

from __future__ import annotations

import importlib.metadata

import pytest

from prio_middleware.telemetry.names import REAUTHENTICATE
from prio_middleware.telemetry.providers import GLOBAL, Telemetry, telemetry, version
from prio_middleware.telemetry.reauthentication import Reauthentication
from prio_middleware.telemetry.tally import Tally
from tests.telemetry.kit import Recorder, attributes


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


def test_a_second_try_that_is_cancelled_is_none_that_failed(recorder: Recorder) -> None:
    tally = Tally("shop")
    watch = Reauthentication(Telemetry(recorder.tracer_provider), tally, "shop", 401, None)
    with pytest.raises(KeyboardInterrupt), watch:
        raise KeyboardInterrupt
    assert attributes(recorder.span(REAUTHENTICATE.name))["error.type"] == "CancelledError"
    assert set(tally.reauthentications.values()) == {0}
