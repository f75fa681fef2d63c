"""Plugin of ``make test-lowest``: pytest-subtests sends parameters to pytest-xdist, which takes plain values only."""

from __future__ import annotations

import importlib
from typing import Any

_plugin: Any = importlib.import_module("pytest_subtests.plugin")


class _Shown(_plugin.SubTestContext):  # type: ignore[misc]  # the newest pytest has subtests of its own
    def __init__(self, msg: str | None, kwargs: dict[str, Any]) -> None:
        super().__init__(msg, {name: repr(value) for name, value in kwargs.items()})


_plugin.SubTestContext = _Shown
