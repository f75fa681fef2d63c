"""Every test counts from zero, and has an SDK of its own."""

from __future__ import annotations

import pytest

from tests.telemetry.helpers import Recorder
from tests.transports.matrix import MatrixClient


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def matrix(client_kind: str) -> MatrixClient:
    return MatrixClient(client_kind)
