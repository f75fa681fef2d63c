"""One sandbox serves all tests, each of which finds it as it was at its start."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from prio_middleware.sandbox import Sandbox, SandboxOptions
from prio_middleware.settings import Settings
from tests.web.helpers import settings_for


@pytest.fixture(scope="session")
def _served() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(limits=False)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_served: Sandbox) -> Iterator[Sandbox]:
    _served.admin.reset()
    yield _served
    _served.admin.clear_faults()
    _served.admin.release()
    for thread in threading.enumerate():  # Their token requests would count for the next test.
        if thread.name == "prio_middleware.fetch":
            thread.join(10)


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    """Settings of the clients ``default`` and ``berlin``, each with an account of its own."""
    return settings_for(sandbox)
