"""The fixtures of tests/cli: a sandbox, and an empty folder."""

from __future__ import annotations

from tests.cli.conftest import authorities, folder, pytest_configure

__all__ = ["authorities", "folder", "pytest_configure"]
