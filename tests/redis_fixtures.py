"""A server of each kind, for the whole session; and one of its own for a test that harms it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import pytest

from tests.redis_servers import BINARIES, Server, serve


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda binary: stack.enter_context(serve(binary, tmp_path_factory.mktemp("redis"))))


@pytest.fixture(params=BINARIES)
def server(request: pytest.FixtureRequest, _redis: Callable[[str], Server]) -> Server:
    """An empty server that others use afterwards."""
    found = _redis(str(request.param))
    found.admin().flushall()
    return found


@pytest.fixture(params=BINARIES)
def own_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody else uses."""
    with serve(str(request.param), tmp_path_factory.mktemp("redis")) as server:
        yield server
