"""Each test of the shells runs in every world."""

from __future__ import annotations

import pytest

from prio_middleware import build
from tests.transports.world import WORLDS, Server, World


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture
def anyio_backend(world: World) -> str:
    return world.backend


@pytest.fixture
def server(world: World) -> Server:
    return Server(world)


@pytest.fixture(autouse=True)
def _no_pipelines_of_other_tests() -> None:
    build.forget()
