"""Every test counts from zero, and has an SDK of its own."""

from __future__ import annotations

import pytest

from prio_middleware import build
from prio_middleware.telemetry.tally import LEDGER
from tests.telemetry.kit import Recorder
from tests.transports.world import WORLDS, World


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    build.forget()
    for tally in LEDGER.tallies():
        tally.start_anew()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)
