"""Promises of the README and of docs/guarantees.md that need no server. tests/long runs the examples."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
INDEX = (ROOT / "docs" / "index.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUARANTEES = re.findall(r"`python -m pytest ([^`]+)`", (ROOT / "docs" / "guarantees.md").read_text())
COMPONENTS = (ROOT / "docs" / "how-to" / "components.md").read_text()


def test_the_readme_has_at_most_200_lines() -> None:
    assert len(README.splitlines()) <= 200


def test_the_readme_and_the_index_link_to_every_guide() -> None:
    docs = ROOT / "docs"
    guides = [path.relative_to(docs).as_posix() for name in ("how-to", "migrating") for path in (docs / name).glob("*.md")]

    assert len(guides) > 10
    assert [guide for guide in guides if f"(docs/{guide})" not in README] == []
    assert [guide for guide in guides if f"({guide})" not in INDEX] == []


def test_the_first_guide_is_about_a_partner() -> None:
    for text in (README, INDEX, (ROOT / "mkdocs.yml").read_text()):
        assert re.findall(r"how-to/([\w-]+)\.md", text)[0] == "rfc6749"


def test_every_guarantee_names_tests_that_exist() -> None:
    named = [Path(path) for command in GUARANTEES for path in command.split()]

    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_example_component_is_under_ten_lines() -> None:
    [component] = re.findall(r"```python[^\n]*\n((?:(?!```)[\s\S])*class RequestId[\s\S]*?)```", COMPONENTS)

    assert len(component.splitlines()) < 10
