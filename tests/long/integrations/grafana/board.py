"""The dashboard as it is checked in, and what it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[4] / "integrations" / "grafana"
FILE = FOLDER / "prio-middleware.json"

Board = dict[str, Any]

_SELECTOR = re.compile(
    r"""
    (?: \b(?P<function>[a-z_]+) \s* \( \s* )?
    \b(?P<metric>[a-zA-Z_:][\w:]*) \{ (?P<matchers>[^}]*) \} (?: \[ (?P<window>[^\]]+) \] )?
    """,
    re.VERBOSE,
)
_LABELS = re.compile(r'\b(?:by|without|on|ignoring) \([^)]*\)|"[^"]*"')


@dataclass(frozen=True)
class Selector:
    """Series that a query asks for: ``function(metric{matchers}[window])``."""

    metric: str
    matchers: str
    function: str | None
    window: str | None


def board() -> Board:
    """The dashboard."""
    read: Board = json.loads(FILE.read_text())
    return read


def panels(read: Board) -> Iterator[dict[str, Any]]:
    """Everything on it but the headings of rows."""
    return (panel for panel in read["panels"] if panel["type"] != "row")


def expressions(panel: Mapping[str, Any]) -> list[str]:
    """Return the queries of a panel."""
    return [target["expr"] for target in panel.get("targets", [])]


def selectors(expression: str) -> list[Selector]:
    """The series that it takes."""
    return [
        Selector(found["metric"], found["matchers"], found["function"], found["window"])
        for found in _SELECTOR.finditer(expression)
    ]


def without_matchers(expression: str) -> list[str]:
    """The metrics that it takes as they are."""
    rest = _LABELS.sub("", _SELECTOR.sub("", expression))
    return re.findall(r"\b[a-z]+_[\w:]+\b(?!\s*\()", rest)


def substituted(expression: str, variables: Mapping[str, str]) -> str:
    """With the values of Grafana's variables in their places."""
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], expression)
