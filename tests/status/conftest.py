"""A sandbox, settings for it, and no pipelines of other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prio_middleware import build
from prio_middleware.sandbox import Sandbox, SandboxOptions
from prio_middleware.settings import Settings
from tests.dropins.kit import settings_for


@pytest.fixture(scope="session")
def _served() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(limits=False)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_served: Sandbox) -> Sandbox:
    _served.admin.reset()
    return _served


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    """Of the clients ``default`` and ``berlin``, each with an account of its own."""
    return settings_for(sandbox)


@pytest.fixture(autouse=True)
def _no_pipelines_of_other_tests() -> None:
    build.forget()
