"""Clock of the package: all code uses it, and tests can replace it."""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import prio_middleware
from prio_middleware import ClientCredentialsProvider
from prio_middleware._util.clock import current_clock, now, using
from prio_middleware.middleware.budget_guard import Budget
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.telemetry.counters import RollingMinute
from tests.oauth import helpers

ROOT = Path(prio_middleware.__file__).parent

READERS = {
    "_util/clock.py": "it is the clock",
    "sandbox/state.py": "the clock that tests move stands on the real one",
    "settings/files.py": "it bounds a wait for a pipe, which is as real as a socket",
}
"""Modules that may call ``time.monotonic()`` directly, each with its reason."""

MONOTONIC = {"monotonic", "monotonic_ns"}


def reads_monotonic(tree: ast.AST) -> Iterator[int]:
    """Return the lines that use the monotonic clock of ``time``."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr=attr) if attr in MONOTONIC:
                yield node.lineno
            case ast.ImportFrom(module="time", names=names) if {alias.name for alias in names} & MONOTONIC:
                yield node.lineno
            case ast.Import(names=names) if any(alias.name == "time" and alias.asname for alias in names):
                yield node.lineno
            case _:
                pass


@pytest.mark.pitfall(id="many-clocks")
def test_no_other_module_reads_the_monotonic_clock() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.rglob("*.py")}
    suspects = {path: source for path, source in sources.items() if "monotonic" in source or "time as" in source}
    found = {path: [*reads_monotonic(ast.parse(source))] for path, source in suspects.items()}

    assert READERS.keys() <= {path for path, lines in found.items() if lines}
    assert {path: lines for path, lines in found.items() if lines and path not in READERS} == {}


def test_the_search_finds_each_way_to_read_it(subtests: pytest.Subtests) -> None:
    for source in ["time.monotonic()", "f(clock=time.monotonic)", "from time import monotonic as m", "import time as t"]:
        with subtests.test(f"{source}"):
            assert list(reads_monotonic(ast.parse(source))) == [1]


def test_the_clock_is_the_real_one_by_default() -> None:
    assert current_clock() is time.monotonic

    with using(helpers.Clock(5.0)):
        with using(helpers.Clock(7.0)):
            assert now() == 7.0
        assert now() == 5.0
        with contextlib.suppress(KeyError), using(helpers.Clock(9.0)):
            raise KeyError
        assert now() == 5.0

    assert current_clock() is time.monotonic


def test_objects_made_meanwhile_use_the_virtual_clock() -> None:
    clock = helpers.Clock()
    with using(clock):
        tokens, budget = ClientCredentialsProvider(helpers.endpoint()), Budget()
    helpers.play(tokens.acquire(DEFAULT_OPTIONS, None), helpers.Server(helpers.token(3600)), clock)
    budget.spend(None)
    clock.now += 100

    assert tokens.report().expires_in == 3500
    assert budget.usage().requests == 0


def test_what_is_made_once_in_a_process_goes_by_the_clock_in_use() -> None:
    minute, clock = RollingMinute(), helpers.Clock(time.monotonic() + 1000)
    minute.add()
    with using(clock):
        assert minute.count() == 0
        minute.add()
        assert minute.count() == 1

    assert minute.count() == 1  # The clock went back: what was counted later than now is over.
