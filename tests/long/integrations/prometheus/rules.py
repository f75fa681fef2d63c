"""The rules file as data, and its copy on another scale of time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "integrations" / "prometheus"
RULES = FOLDER / "rules.yml"
UNIT_TESTS = sorted((FOLDER / "tests").glob("*.yml"))

MILLISECONDS: Mapping[str, int] = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?P<before>\[|\boffset |^\s+for: )(?P<number>\d+)(?P<unit>[smhd])\b", re.MULTILINE)


def rules() -> list[dict[str, Any]]:
    """Every rule, in order."""
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The rules that alert."""
    return [rule for rule in rules() if "alert" in rule]


def scaled(text: str, factor: float) -> str:
    """The rules of ``text`` with every window, offset and waiting time divided by ``factor``. Thresholds stay as they are."""

    def divided(found: re.Match[str]) -> str:
        milliseconds = int(found["number"]) * MILLISECONDS[found["unit"]] / factor
        return f"{found['before']}{milliseconds:.0f}ms"

    return _DURATION.sub(divided, text)
