"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import signal

import pytest

MEASURING = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage reaches the processes that tests start. It costs each of them a quarter of a second."""

_measuring = pytest.StashKey[str | None]()
_was_frozen = pytest.StashKey[bool]()


def pytest_configure() -> None:
    """Where a shell runs the tests in the background, it has them ignore Ctrl-C, and so would every process that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ten thousand tests are millions of objects. Set aside, they are not looked through by every collection of garbage."""
    session.stash[_measuring] = os.environ.pop(MEASURING, None)
    session.stash[_was_frozen] = gc.get_freeze_count() > 0
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is done at the end may need to find them: hypothesis looks for whoever refers to something."""
    if not session.stash.get(_was_frozen, False):
        gc.unfreeze()


@pytest.fixture
def measured_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processes of this test run counts as covered, too. For tests that reach what no other one does."""
    measuring = request.session.stash[_measuring]
    if measuring is not None:
        monkeypatch.setenv(MEASURING, measuring)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)
