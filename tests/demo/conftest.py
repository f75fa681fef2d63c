"""What the tests of the demo share: a sandbox, an audience that listens, and scenarios that need neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prio_middleware.build import forget
from prio_middleware.demo.stage import Stage
from prio_middleware.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listener:
    """An audience that remembers what it was told."""

    def __init__(self) -> None:
        self.ticks = 0
        self.said: list[str] = []

    def tick(self) -> None:
        self.ticks += 1

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def audience() -> Listener:
    return Listener()


@pytest.fixture
def stage(sandbox: Sandbox, audience: Listener) -> Iterator[Stage]:
    stage = Stage(sandbox, audience)
    stage.make_ready(limits=True)
    yield stage
    forget()
