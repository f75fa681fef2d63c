"""The report on mutation testing, and its patterns, which have to match code that is there."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from scripts.mutation import PARTS, ROOT
from scripts.mutation_report import EXPLAINED, Change, Pattern, change_in, kind_of, read_patterns, unused

DIFF = """\
--- a/expiry.py
+++ b/expiry.py
@@ -1,4 +1,4 @@
 def left(self) -> float:
-    return max(
-        0.0, self.until)
+    return max(
+        1.0, self.until)
"""
CHANGE = Change("oauth/expiry.py", "left", "return max( 0.0, self.until)", "return max( 1.0, self.until)")


def test_a_change_is_known_by_its_lines_wherever_they_stand() -> None:
    assert change_in(DIFF, "oauth/expiry.py", "left") == CHANGE


def test_meaning_of_an_exit_code(subtests: pytest.Subtests) -> None:
    for code, kind in [
        (1, "killed"),
        (0, "survived"),
        (33, "survived"),
        (36, "timed out"),
        (None, "not tried"),
        (-11, "killed"),
    ]:
        with subtests.test(f"{code}"):
            assert kind_of(code) == kind


def test_the_tokens_that_change_are_marked(subtests: pytest.Subtests) -> None:
    for old, new, marked, becomes in [
        ('host.encode("ascii")', 'host.encode("ASCII")', 'host.encode(«"ascii"»)', '"ASCII"'),
        ("limit = 10.0,", "limit = 11.0,", "limit = «10.0»,", "11.0"),
        ("pop(key, None)", "pop(key, )", "pop(key, «None»)", ""),
        (
            "return a if b is c else d",
            "return a if (b is c) and False else d",
            "return a if «b is c» else d",
            "(b is c) and False",
        ),
        ("if a >= b:", "if a > b:", "if a «>=» b:", ">"),
        ("since = -inf", "since = +inf", "since = «-»inf", "+"),
        ("case _: pass", "", "«case _: pass»", ""),
        ('body = b"" or {}', 'body = b"XXXX" or {}', 'body = «b""» or {}', 'b"XXXX"'),
        (r'say("a \"b\"", "c")', r'say("a \"b\"", "C")', r'say("a \"b\"", «"c"»)', '"C"'),
        ("f(a, a)", "f(a)", "f(a«, a»)", ""),
    ]:
        with subtests.test(old):
            change = Change("a.py", "f", old, new)
            assert (change.marked, change.parts[2]) == (marked, becomes)


CODEC: dict[str, Any] = {"line": r'\.encode\(«"\w+"»\)', "kind": "case"}


def test_a_pattern_matches_all_that_it_names_and_nothing_else(subtests: pytest.Subtests) -> None:
    ascii_, upper, marked = (f'host.encode("{codec}")' for codec in ("ascii", "ASCII", "XXasciiXX"))
    for given, old, new, expected in [
        (CODEC, ascii_, upper, True),
        (CODEC, ascii_, marked, False),
        (CODEC, 'name("ascii")', 'name("ASCII")', False),
        (CODEC, "host.encode(codec)", "host.encode(None)", False),
        ({**CODEC, "kind": "text"}, ascii_, upper, True),
        ({**CODEC, "kind": "text"}, ascii_, marked, True),
        ({**CODEC, "kind": "text"}, ascii_, "host.encode(None)", False),
        ({"line": "wait = «10»", "kind": "text"}, "wait = 10", "wait = 11", False),
        ({"line": 'or «b""»', "kind": "text"}, 'key or b""', 'key or b"XXXX"', True),
        ({"line": r"«10»", "becomes": "11"}, "min(polls, 10)", "min(polls, 11)", True),
        ({"line": r"«10»", "becomes": "1"}, "min(polls, 10)", "min(polls, 11)", False),
        ({"line": r"«10»"}, "min(polls, 10)", "min(polls, None)", True),
        ({"line": r"«10»", "files": ("*/oauth/*.py",)}, "min(polls, 10)", "min(polls, 11)", True),
        ({"line": r"«10»", "files": ("*/cli/*.py", "*/web/*.py")}, "min(polls, 10)", "min(polls, 11)", False),
        ({"line": r"«10»", "functions": ("Retry.*", "other")}, "min(polls, 10)", "min(polls, 11)", True),
        ({"line": r"«10»", "functions": ("pause",)}, "min(polls, 10)", "min(polls, 11)", False),
    ]:
        fields: dict[str, Any] = dict(given)
        with subtests.test(f"{given}: {old} -> {new}"):
            change = Change("prio_middleware/oauth/failures.py", "Retry.pause", old, new)
            assert Pattern("It is the same.", **fields).matches(change) is expected


def test_a_pattern_without_a_survivor_is_unused() -> None:
    used, other = Pattern("Either will do.", r"max\( «0\.0»"), Pattern("Either will do.", r"max\( «2\.0»")
    assert unused([used, other], [CHANGE]) == [other]


def test_an_entry_is_a_pattern_for_each_of_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "survivors.toml"
    file.write_text('[[survivors]]\nreason = "It is the same."\nfunctions = ["left"]\nlines = ["«0»", "«1»"]\n')
    assert read_patterns(file) == [Pattern("It is the same.", line, functions=("left",)) for line in ("«0»", "«1»")]


def test_an_entry_needs_a_reason_and_known_keys(subtests: pytest.Subtests, tmp_path: Path) -> None:
    file = tmp_path / "survivors.toml"
    for entry, error in [
        ('reason = " "\nlines = ["«0»"]', ValueError),
        ('reason = "It is the same."\nkind = "cases"\nlines = ["«0»"]', ValueError),
        ('reason = "It is the same."\nfile = "a.py"\nlines = ["«0»"]', TypeError),
    ]:
        with subtests.test(entry):
            file.write_text(f"[[survivors]]\n{entry}\n")
            with pytest.raises(error):
                read_patterns(file)


def test_each_part_of_the_code_has_its_mutants_and_tests() -> None:
    names = {"oauth": "prio_middleware.oauth.shared.records*", "components": "prio_middleware.middleware.query_key*"}
    for name, part in PARTS.items():
        assert [other for other, mutants in names.items() if part.has(mutants)] == [name]
        assert part.has("prio_middleware*")
        assert [path for path in part.tests if not (ROOT / path).exists()] == []
    assert PARTS.keys() == names.keys()


def test_every_pattern_is_about_code_that_is_there() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "prio_middleware").rglob("*.py")}
    texts = {name: " ".join(path.read_text().split()) for name, path in sources.items()}
    patterns = read_patterns(EXPLAINED)
    gone = [
        pattern
        for pattern in patterns
        if not any(
            re.search(re.sub("[«»^$]", "", pattern.line), text)
            for name, text in texts.items()
            if any(fnmatchcase(name, glob) for glob in pattern.files)
        )
    ]
    assert patterns
    assert gone == []
