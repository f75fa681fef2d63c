"""Promises of the README and of docs/guarantees.md that need no server. tests/long runs the examples."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUARANTEES = re.findall(r"`python -m pytest ([^`]+)`", (ROOT / "docs" / "guarantees.md").read_text())
COMPONENTS = (ROOT / "docs" / "how-to" / "components.md").read_text()


def test_the_readme_has_at_most_200_lines() -> None:
    assert len(README.splitlines()) <= 200


def test_the_readme_links_to_every_guide() -> None:
    folders = [ROOT / "docs" / name for name in ("how-to", "migrating")]
    guides = [path.relative_to(ROOT).as_posix() for folder in folders for path in folder.glob("*.md")]

    assert len(guides) > 10
    assert [guide for guide in guides if f"({guide})" not in README] == []


def test_every_guarantee_names_tests_that_exist() -> None:
    named = [Path(path) for command in GUARANTEES for path in command.split()]

    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_example_component_is_under_ten_lines() -> None:
    [component] = re.findall(r"```python[^\n]*\n((?:(?!```)[\s\S])*class RequestId[\s\S]*?)```", COMPONENTS)

    assert len(component.splitlines()) < 10
