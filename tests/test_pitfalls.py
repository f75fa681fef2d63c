"""Links between docs/pitfalls.md and the tests, in both directions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "pitfalls.md").read_text()
ENTRY = re.compile(r"^### (.+)\n((?:(?!##).*\n)*)", re.MULTILINE)
MARKER = re.compile(r"pytest\.mark\.pitfall\((?:id=')?(.+?)'?\)")
NAMED_TEST = re.compile(r"^- `(tests/.+)`$", re.MULTILINE)


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
    pitfalls = [pitfall for pitfall, _ in ENTRY.findall(PAGE)]

    assert len(pitfalls) > 50
    assert [pitfall for pitfall in pitfalls if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", pitfall)] == []
    assert len(set(pitfalls)) == len(pitfalls)


def test_the_page_tells_of_each_what_happens_here() -> None:
    entries = ENTRY.findall(PAGE)

    assert len(entries) > 50
    assert [pitfall for pitfall, text in entries if text.count("\n*Here* ") != 1] == []


def test_the_tests_that_the_page_names_are_those_that_carry_its_marker() -> None:
    named = {pitfall: NAMED_TEST.findall(text) for pitfall, text in ENTRY.findall(PAGE)}

    assert len(named) > 50
    assert {pitfall: set(tests) for pitfall, tests in named.items()} == marked()
    assert [pitfall for pitfall, tests in named.items() if len(set(tests)) != len(tests)] == []


def test_the_tests_that_the_security_model_names_exist() -> None:
    claims = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", (ROOT / "docs" / "security.md").read_text())

    assert len(claims) >= 10
    assert [(path, test) for path, test in claims if f"def {test.rpartition(':')[2]}(" not in (ROOT / path).read_text()] == []
