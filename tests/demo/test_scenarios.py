from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from prio_middleware.demo.fixture import TOKEN_REQUESTS, Fixture, Scene
from prio_middleware.demo.scenarios import SCENARIOS, burst_of_tasks, revocation_in_flight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prio_middleware.demo.load import Calls

    from .conftest import RecordingScreen

CHECKS: dict[str, Callable[[RecordingScreen, Scene], bool]] = {
    "Burst, threads": lambda screen, _: screen.ended == 20,
    "Burst, tasks": lambda screen, _: screen.ended == 20,
    "Expiry under load": lambda _, scene: scene.counted[TOKEN_REQUESTS] > 1,
    "Revocation in flight": lambda screen, _: [text for text in screen.texts if text][-2:] == [", 20 in flight", ", revoked"],
    "Inside the limits": lambda _, scene: "61 answers 403" in scene.notes[0] and "blocked" in scene.notes[0],
    "Plain HTTP": lambda _, scene: len(scene.notes) == 1 and "InsecureTransportError" in scene.notes[0],
    "One-way body": lambda _, scene: "BodyNotReplayableError" in scene.notes[0],
    "Wrong credentials": lambda _, scene: "20 calls had no response. CredentialsRefusedError" in scene.notes[0],
    "A sale": lambda _, scene: "confirmed" in scene.notes[0],
}
"""Further conditions on scenes, by title."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.__name__ for scenario in SCENARIOS])
def test_a_scenario_meets_its_expectations(
    scenario: Callable[[Fixture], None], fixture: Fixture, screen: RecordingScreen
) -> None:
    if scenario.__name__ == "expiry_under_load":
        screen.pace = 0.04  # two lifetimes of two seconds are about a hundred calls
    scenario(fixture)
    [scene] = fixture.scenes
    assert not scene.failure
    assert [what for what in scene.expected if not scene.met(what)] == []
    assert len(scene.title) <= 20
    assert max(map(len, scene.expected)) <= 25
    shown = json.dumps(scene.notes)
    assert fixture.sandbox.client_secret not in shown
    assert "not-the-secret" not in shown
    if scene.title in CHECKS:
        assert CHECKS[scene.title](screen, scene), scene


class Refusing(Fixture):
    """A fixture whose token endpoint refuses the credentials."""

    def reset(self, *, limits: bool = True) -> None:
        super().reset(limits=limits)
        self.sandbox.admin.configure(refuse_credentials=True)


def test_a_burst_whose_calls_fail_says_so(fixture: Fixture) -> None:
    refusing = Refusing(fixture.sandbox, fixture.screen, 20)
    burst_of_tasks(refusing)
    [scene] = refusing.scenes
    assert scene.counted["answers 200"] == 0
    assert "20 calls had no response. CredentialsRefusedError" in scene.notes[0]


class Stopped(Fixture):
    """A fixture whose calls are stopped before the first is made, as by Ctrl-C."""

    def calls(self, paths: Iterable[str]) -> Calls:
        calls = super().calls(paths)
        calls.stop()
        return calls


def test_a_revocation_does_not_wait_for_stopped_calls(fixture: Fixture) -> None:
    stopped = Stopped(fixture.sandbox, fixture.screen, 20)
    revocation_in_flight(stopped)
    assert stopped.scenes[0].counted["answers 200"] == 0
