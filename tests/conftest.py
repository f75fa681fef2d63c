"""What every test may ask for, and which tests coverage is not measured in."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROCESSES = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage finds its way into other processes."""

UNMEASURED = (
    "benchmarks",
    "chaos",
    "docs",
    "dropins/test_load.py",
    "e2e",
    "exhaustive",
    "hunt",
    "integrations",
    "interop",
    "middleware/test_budget.py",
    "middleware/test_revocation_simulation.py",
    "telemetry/test_metrics.py",
)
"""These work hard, and measuring makes them take twice as long. Every line is to be covered by the others."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are not measured, for pytest-cov."""
    unmeasured = tuple(HERE / name for name in UNMEASURED)
    for item in items:
        if any(item.path.is_relative_to(place) for place in unmeasured):
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Nor are the processes measured that such a test starts."""
    measured = os.environ.get(PROCESSES)
    if measured and item.get_closest_marker("no_cover"):
        del os.environ[PROCESSES]
    try:
        return (yield)
    finally:
        if measured:
            os.environ[PROCESSES] = measured
