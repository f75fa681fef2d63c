"""The telemetry of the other tests."""

from __future__ import annotations

from tests.telemetry.conftest import matrix, recorder

__all__ = ["matrix", "recorder"]
