"""Every test counts from zero."""

from __future__ import annotations

import pytest

from prio_middleware.telemetry.tally import LEDGER


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    for tally in LEDGER.tallies():
        tally.start_anew()
