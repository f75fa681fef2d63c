"""The sandbox of the drop-ins, and settings for it."""

from __future__ import annotations

from tests.web.conftest import _served, sandbox, settings

__all__ = ["_served", "sandbox", "settings"]
