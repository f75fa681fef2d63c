"""A sandbox in-process, with a clock that stands still unless it is moved."""

from __future__ import annotations

import pytest

from prio_middleware.sandbox import Clock, SandboxApp, SandboxOptions

from .helpers import Caller


@pytest.fixture
def options() -> SandboxOptions:
    """Parametrize a test with ``options`` for others."""
    return SandboxOptions()


@pytest.fixture
def clock() -> Clock:
    return Clock(lambda: 1000.0)


@pytest.fixture
def app(options: SandboxOptions, clock: Clock) -> SandboxApp:
    return SandboxApp(options, clock)


@pytest.fixture
def caller(app: SandboxApp) -> Caller:
    return Caller(app)
