"""Private servers, and processes."""

from collections.abc import Iterator

import pytest

from tests.long.e2e.shared.workers import Workers
from tests.redis_fixtures import _redis, cluster, own_server, server, watched

__all__ = ["_redis", "cluster", "own_server", "server", "watched", "workers"]


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    hired = Workers()
    yield hired
    hired.close()
