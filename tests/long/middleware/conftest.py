"""Fixtures shared with the components' tests."""

from __future__ import annotations

from tests.middleware.conftest import exchange_for, library

__all__ = ["exchange_for", "library"]
