"""What every test may ask for."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish() -> None:
    """Ten thousand tests are millions of objects. Set aside, they are not looked through by every collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """What is done at the end may need to find them: hypothesis looks for whoever refers to something."""
    gc.unfreeze()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)
