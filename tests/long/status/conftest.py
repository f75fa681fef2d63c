"""The sandbox of the other tests of the status page."""

from __future__ import annotations

from tests.status.conftest import _served, sandbox, settings

__all__ = ["_served", "sandbox", "settings"]
