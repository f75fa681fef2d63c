"""The fixtures that this library has for its users."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("prio_middleware.testing.plugin")
