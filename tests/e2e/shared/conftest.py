"""Private servers, and processes."""

from collections.abc import Iterator

import pytest

from tests.e2e.shared.crew import Crew
from tests.redis_fixtures import _redis, cluster, own_server, server, watched

__all__ = ["_redis", "cluster", "crew", "own_server", "server", "watched"]


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    hired = Crew()
    yield hired
    hired.close()
