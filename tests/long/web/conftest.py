"""One sandbox in a process of its own: tests that fork, or that keep the machine busy, do not stop it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.web.conftest import sandbox

__all__ = ["_served", "sandbox"]


@pytest.fixture(scope="session")
def _served() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(limits=False), process=True) as served:
        yield served
