"""A server of each kind, for the whole session; and one of its own for a test that harms it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_servers import BINARIES, Server, serve


@pytest.fixture(scope="session", params=BINARIES)
def _served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(str(request.param), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(_served: Server) -> Server:
    """An empty server that others use afterwards."""
    _served.admin().flushall()
    return _served


@pytest.fixture(params=BINARIES)
def own_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody else uses."""
    with serve(str(request.param), tmp_path_factory.mktemp("redis")) as server:
        yield server
