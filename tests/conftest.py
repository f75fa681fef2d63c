"""Fixtures and options of all tests."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from prio_middleware import build
from tests.kinds import KINDS, representatives

ROOT = Path(__file__).parents[1]

# Sandboxes, also those of other processes, keep their certificate there: tests write nothing outside the checkout.
os.environ["XDG_RUNTIME_DIR"] = str(ROOT / ".cache" / "run")

MEASURING = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage reaches the processes that tests start. It costs each of them a quarter of a second."""

FOREIGN_VARIABLES = re.compile(
    r"COLORTERM|COLUMNS|LINES|FORCE_COLOR|NO_COLOR|TTY_(COMPATIBLE|INTERACTIVE)|PRIO_.*|SSL_CERT_(FILE|DIR)|(?i:\w+_PROXY)"
)
"""Variables of the caller that would change what is tested: width and colours, settings, trust, proxies."""

_measuring = pytest.StashKey[str | None]()
_was_frozen = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-kind", action="store_true", help="run tests with every kind of client, not with representatives")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the kinds of client, unless the test names them itself."""
    named = {name for mark in metafunc.definition.iter_markers("parametrize") for name in _names(mark.args[0])}
    for fixture in sorted((KINDS.keys() & set(metafunc.fixturenames)) - named):
        every = metafunc.config.getoption("every_kind")
        kinds = KINDS[fixture] if every else representatives(fixture, metafunc.definition.name)
        metafunc.parametrize(fixture, kinds, indirect=True)


def _names(names: str | Sequence[str]) -> Sequence[str]:
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else names


def pytest_configure() -> None:
    """Undo a shell's order to ignore Ctrl-C in the background: every process that the tests start would inherit it."""
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
    """Unfreeze the objects: hypothesis searches for references at the end."""
    if not session.stash.get(_was_frozen, False):
        gc.unfreeze()


@pytest.fixture
def measured_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the coverage of processes that this test starts, for code that no other test reaches."""
    measuring = request.session.stash[_measuring]
    if measuring is not None:
        monkeypatch.setenv(MEASURING, measuring)


@pytest.fixture
def client_kind(request: pytest.FixtureRequest) -> str:
    """Library, sync or event loop: ``httpx2-trio``."""
    return str(request.param)


@pytest.fixture
def library_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def event_loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def anyio_backend(event_loop: str) -> str:
    return event_loop


@pytest.fixture(scope="session", autouse=True)
def _environment() -> Iterator[None]:
    """Remove the variables of the caller that would change what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(FOREIGN_VARIABLES.fullmatch, list(os.environ)):
            patch.delenv(name)
        patch.setenv("TERM", "xterm-256color")
        yield


@pytest.fixture(autouse=True)
def _nothing_of_other_tests() -> None:
    """Forget the pipelines that other tests built, and what they counted."""
    build.forget()
