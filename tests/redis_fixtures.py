"""A server of each kind, for the whole session; one of its own for a test that harms it; and several that belong together."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import pytest

from tests.redis_servers import BINARIES, Server, Watched, serve, serve_cluster, serve_watched


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
    """A server of this test alone."""
    with serve(str(request.param), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=BINARIES)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three nodes."""
    with serve_cluster(str(request.param), tmp_path_factory.mktemp) as nodes:
        yield nodes


@pytest.fixture(params=BINARIES)
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A master, its replica, and a sentinel."""
    with serve_watched(str(request.param), tmp_path_factory.mktemp) as servers:
        yield servers
