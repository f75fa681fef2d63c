"""docs/pitfalls.md and the tests say the same of each other: which test shows which pitfall."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HANDLED, _, LATER = (ROOT / "docs" / "pitfalls.md").read_text().partition("\n## Not handled here yet\n")
ENTRY = re.compile(r"^### (.+)\n((?:(?!##).*\n)*)", re.MULTILINE)
MARKER = re.compile(r"pytest\.mark\.pitfall\((?:id=')?(.+?)'?\)")
NAMED_TEST = re.compile(r"^- `(tests/.+)`$", re.MULTILINE)


def named() -> dict[str, list[str]]:
    """The tests that the page names, by pitfall."""
    return {pitfall: NAMED_TEST.findall(text) for pitfall, text in ENTRY.findall(HANDLED)}


@functools.cache
def marked() -> dict[str, set[str]]:
    """The tests that carry a marker, by pitfall."""
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text()
        if "mark.pitfall(" in source:  # Reading is cheap, and parsing all of them is not.
            for name, pitfall in marks(ast.parse(source).body):
                tests[pitfall].add(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return dict(tests)


def marks(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Each test of a module or a class with each pitfall it is marked with."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}::{test}", pitfall) for test, pitfall in marks(node.body))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = map(ast.unparse, node.decorator_list)
            yield from ((node.name, found[1]) for found in map(MARKER.fullmatch, decorators) if found)


def test_each_pitfall_has_an_id_of_its_own() -> None:
    pitfalls = [pitfall for pitfall, _ in ENTRY.findall(HANDLED + LATER)]

    assert [pitfall for pitfall in pitfalls if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", pitfall)] == []
    assert len(set(pitfalls)) == len(pitfalls)


def test_the_page_tells_of_each_what_happens_here() -> None:
    assert [pitfall for pitfall, text in ENTRY.findall(HANDLED) if text.count("\n*Here* ") != 1] == []


def test_what_is_not_handled_names_no_tests() -> None:
    assert NAMED_TEST.findall(LATER) == []


@pytest.mark.parametrize("pitfall", sorted(named().keys() | marked().keys()))
def test_the_tests_that_the_page_names_are_those_that_carry_its_marker(pitfall: str) -> None:
    tests = named().get(pitfall, [])

    assert tests
    assert len(set(tests)) == len(tests)
    assert set(tests) == marked().get(pitfall)
