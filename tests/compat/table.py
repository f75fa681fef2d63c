"""The table of checks: one for each package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.compat.local_api import LocalAPI


class Check(NamedTuple):
    """A check of one package.

    Attributes:
        package: its name on PyPI.
        kind: the heading of its table.
        how: how to use it together with a client, in Markdown.
        run: raises if that does not work.
    """

    package: str
    kind: str
    how: str
    run: Callable[[LocalAPI], None]


CHECKS: dict[str, Check] = {}
"""Checks by package, in the order of the tables."""


def check(package: str, kind: str, how: str) -> Callable[[Callable[[LocalAPI], None]], Callable[[LocalAPI], None]]:
    """Add the function below to the table."""

    def add(function: Callable[[LocalAPI], None]) -> Callable[[LocalAPI], None]:
        CHECKS[package] = Check(package, kind, how, function)
        return function

    return add


def load() -> dict[str, Check]:
    """Return all checks. They import their packages when they run."""
    for module in sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).with_name("checks"))])):
        importlib.import_module(f"tests.compat.checks.{module}")
    return CHECKS
