"""A sandbox in this process, and a fixture of the demo whose clock can be moved on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from prio_middleware._util.clock import using
from prio_middleware.build import forget
from prio_middleware.demo.fixture import Fixture
from prio_middleware.demo.screen import Screen
from prio_middleware.sandbox import Clock, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        yield sandbox


class RecordingScreen(Screen):
    """A screen that records progress. With ``pace``, each call that ends advances the clock by that time in seconds."""

    def __init__(self, clock: Clock) -> None:
        self.file = io.StringIO()
        super().__init__(Console(file=self.file, width=80))
        self.ended = 0
        self.texts: list[str | None] = []
        self.pace = 0.0
        self._clock = clock

    def progress(self, text: str | None = None, *, advance: int = 0) -> None:
        super().progress(text, advance=advance)
        self.ended += advance
        self._clock.advance(self.pace * advance)
        self.texts.append(text)


@pytest.fixture
def screen(clock: Clock) -> RecordingScreen:
    return RecordingScreen(clock)


@pytest.fixture
def fixture(sandbox: Sandbox, screen: RecordingScreen, clock: Clock) -> Iterator[Fixture]:
    with using(clock):
        yield Fixture(sandbox, screen, 20, clock)
        forget()
