"""Plays the scenarios one after another, and says whether everything was as expected."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..sandbox import Sandbox
from .scenario import Finding, Observed, Scenario, findings
from .slow_call import slow_call
from .stage import Stage

if TYPE_CHECKING:
    from .screen import Screen


def show(scenarios: Sequence[Scenario], screen: Screen) -> bool:
    """Play ``scenarios`` against a sandbox of their own. Returns whether every expectation was met.

    Raises:
        ConfigurationError: the sandbox cannot be started.
    """
    started = time.perf_counter()
    screen.open()
    results: list[tuple[Scenario, list[Finding]]] = []
    # A process of its own: it neither waits for this one's interpreter, nor shares its files.
    with Sandbox(process=True) as sandbox:
        stage = Stage(sandbox, screen)
        for number, scenario in enumerate(scenarios, 1):
            with screen.scene(number, scenario):
                observed, failure = _play(scenario, stage)
            found = findings(scenario, observed)
            screen.outcome(found, observed, failure)
            results.append((scenario, found))
        screen.sums(results)
        screen.trace(slow_call(stage))
    screen.close(results, time.perf_counter() - started)
    return all(finding.met for _, found in results for finding in found)


def _play(scenario: Scenario, stage: Stage) -> tuple[Observed | None, str | None]:
    """What came of it, or why nothing did."""
    stage.make_ready(limits=scenario.no_limits is None)
    try:
        return scenario.play(stage), None
    except Exception as error:  # noqa: BLE001 - whatever breaks one scenario, the others are still worth seeing
        return None, f"{type(error).__name__}: {error}"
