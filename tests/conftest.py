"""What every test may ask for."""

from __future__ import annotations

import gc
import signal

import pytest


def pytest_configure() -> None:
    """Where a shell runs the tests in the background, it has them ignore Ctrl-C, and so would every process that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
