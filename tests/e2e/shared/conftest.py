"""Private servers, and processes."""

from collections.abc import Iterator

import pytest

from tests.e2e.shared.crew import Crew
from tests.redis_fixtures import _redis, own_server, server

__all__ = ["_redis", "crew", "own_server", "server"]


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    hired = Crew()
    yield hired
    hired.close()
