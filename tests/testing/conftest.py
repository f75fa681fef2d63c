"""The plugin under test, as pytest would find it in a user's environment, and pytest's own for testing plugins."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for plugin in ("pytester", "prio_middleware.testing.plugin"):
        config.pluginmanager.import_plugin(plugin)
