from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.long.docs.world import World


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("secrets")) as world:
        yield world


@pytest.fixture
def world(_world: World) -> World:
    _world.reset()
    return _world
