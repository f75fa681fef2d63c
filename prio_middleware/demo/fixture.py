"""Fixture of the demo: a running sandbox, settings of its clients, and scenes with the counts that they expect."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..build import forget
from ..sandbox import Counts, Sandbox
from ..settings import ClientSettings
from .load import Calls

if TYPE_CHECKING:
    from .screen import Screen

TOKEN_REQUESTS, OK = "token requests", "answers 200"
PRODUCT = "/products/1004"
T = TypeVar("T")


class AtMost(int):
    """Upper bound as an expectation."""


@dataclass(slots=True)
class Scene:
    """One scenario while it is played: the sandbox's counts by their names, as expected and as they are, and texts to show.

    ``limits_off`` is the reason to turn the API's limits off; empty to leave them on.
    """

    title: str
    clients: str
    story: str
    expected: Mapping[str, int]
    total_calls: int | None = None
    limits_off: str = ""
    counted: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    timing: str = ""
    failure: str = ""

    def met(self, what: str) -> bool:
        """Return True if the count of ``what`` is as expected."""
        expected, counted = self.expected[what], self.counted.get(what)
        return counted == expected or (isinstance(expected, AtMost) and counted is not None and counted < expected)


class Fixture:
    """A running sandbox and a screen, for scenarios with a number of calls. ``clock`` times a scenario that takes seconds."""

    def __init__(self, sandbox: Sandbox, screen: Screen, number: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.sandbox, self.screen, self.number, self.clock = sandbox, screen, number, clock
        self.scenes: list[Scene] = []

    def reset(self, *, limits: bool = True) -> None:
        """Reset the sandbox, and forget every cached token."""
        self.sandbox.admin.reset()
        self.sandbox.admin.configure(limits=limits)
        forget()

    def settings(self, **changes: Any) -> ClientSettings:
        """Return settings of a client of the sandbox. Clients with equal settings share one token provider."""
        home, patient = self.sandbox, 60.0  # a thousand TLS handshakes take long on a small machine
        values: dict[str, Any] = {"name": "demo", "base_url": home.base_url, "ca_file": home.ca_file, "trust_env": False}
        values |= {"client_id": home.client_id, "client_secret": home.client_secret}
        return ClientSettings(**{**values, "connect_timeout": patient, "pool_timeout": patient, **changes})

    def maker(self, make: Callable[..., T], **changes: Any) -> Callable[[], T]:
        """Return a function that makes a client with :meth:`settings`."""
        return partial(make, settings=self.settings(**changes))

    @contextmanager
    def scene(self, *description: Any, **options: Any) -> Generator[Scene]:
        """Show a scene, play it in the block, and count. Takes the arguments of `Scene`. An error fails this scene alone."""
        scene = Scene(*description, **options)
        self.scenes.append(scene)
        with self.screen.scene(len(self.scenes), scene):
            self.reset(limits=not scene.limits_off)
            try:
                yield scene
                counts = self.sandbox.admin.counts()
                scene.counted = {TOKEN_REQUESTS: counts.token_requests, OK: answers(counts, 200), **scene.counted}
            except Exception as error:  # noqa: BLE001 - the other scenes are still worth seeing
                scene.failure = f"{type(error).__name__}: {error}"
        self.screen.outcome(scene)

    def calls(self, paths: Iterable[str]) -> Calls:
        """Return calls that the screen shows."""
        return Calls(paths, partial(self.screen.progress, advance=1))


def answers(counts: Counts, *statuses: int) -> int:
    """Return the number of API calls that were answered with one of ``statuses``."""
    return sum(counts.calls_by_status.get(status, 0) for status in statuses)
