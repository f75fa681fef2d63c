"""Report on ``python -m scripts.mutation``: ``python -m scripts.mutation_report``.

A mutant that survived is explained if a pattern of ``tests/mutation_survivors.toml`` matches what it changes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

from scripts.mutation import PARTS, ROOT, WORK

EXPLAINED: Final = ROOT / "tests" / "mutation_survivors.toml"
ALLOWED: Final = 1.0
"""Percent of all mutants: the report fails if this share or more survives unexplained."""

KILLED, TIMED_OUT = frozenset({1, 3, -11}), frozenset({24, 36, -24, 152, 255})
SURVIVED = frozenset({0, 5, 33})
"""mutmut's exit codes of a mutant's tests: they pass (0), or there are none (5, 33)."""

_TOKEN: Final = re.compile(r"""\w*"(?:[^"\\]|\\.)*"|\w*'(?:[^'\\]|\\.)*'|\d[\w.]*|\w+|[-+*/%<>=!&|^@:]+|\s+|.""")


class Change(NamedTuple):
    """The lines that a mutant changes. Two mutants of one function with the same lines are one change.

    Attributes:
        file: path relative to the root.
        function: qualified name.
        old: removed lines, joined, without indentation.
        new: added lines, in the same form.
    """

    file: str
    function: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file} {self.function}\n    - {self.old}\n    + {self.new}"

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Split at the tokens that change: text before them, old tokens, new tokens, text after them."""
        old, new = _TOKEN.findall(self.old), _TOKEN.findall(self.new)
        start = _common(old, new)
        end = _common(old[start:][::-1], new[start:][::-1])
        return (
            "".join(old[:start]),
            "".join(old[start : len(old) - end]),
            "".join(new[start : len(new) - end]),
            "".join(old[len(old) - end :]),
        )

    @property
    def marked(self) -> str:
        """The removed lines, with the tokens that change between « and »."""
        before, old, _, after = self.parts
        return f"{before}«{old}»{after}"


def _is_other_case(old: str, new: str) -> bool:
    return old != new and old.lower() == new.lower()


def _is_other_text(old: str, new: str) -> bool:
    quote = old[-1:]
    return quote in {'"', "'"} and (
        _is_other_case(old, new) or new == f"{old[: old.index(quote) + 1]}XX{old[old.index(quote) + 1 : -1]}XX{quote}"
    )


KINDS: Final[dict[str, Callable[[str, str], bool]]] = {"case": _is_other_case, "text": _is_other_text}
"""``case``: the same letters in another case. ``text``: a string literal in another case, or between XX and XX."""


class Pattern(NamedTuple):
    """Mutants that no test can tell from the code, and the reason.

    Attributes:
        reason: why the change makes no difference that a test could see.
        line: regular expression, found in the removed lines with the tokens that change between « and ».
        becomes: regular expression for all that replaces these tokens; None for anything.
        kind: one of ``KINDS``; None for any.
        files: globs, one of which matches the file.
        functions: globs, one of which matches the function.
    """

    reason: str
    line: str
    becomes: str | None = None
    kind: str | None = None
    files: tuple[str, ...] = ("*",)
    functions: tuple[str, ...] = ("*",)

    def matches(self, change: Change) -> bool:
        """Return whether this pattern explains ``change``."""
        _, old, new, _ = change.parts
        return (
            any(fnmatchcase(change.file, glob) for glob in self.files)
            and any(fnmatchcase(change.function, glob) for glob in self.functions)
            and (self.becomes is None or re.fullmatch(self.becomes, new) is not None)
            and (self.kind is None or KINDS[self.kind](old, new))
            and re.search(self.line, change.marked) is not None
        )

    def __str__(self) -> str:
        given = {name: value for name, value in self._asdict().items() if value != self._field_defaults.get(name)}
        return ", ".join(f"{name}={value!r}" for name, value in given.items() if name != "reason")


def main() -> int:
    """Count the mutants and list those that are not explained. Return 1 if they are too many, 2 if there are no results."""
    options = arguments()
    outcomes = dict(read_outcomes())
    if not outcomes:
        print("There are no results. Run python -m scripts.mutation.")
        return 2
    patterns = read_patterns(EXPLAINED)
    counts = Counter(kind_of(code) for code in outcomes.values())
    survivors = {name: change_of(name) for name, code in outcomes.items() if kind_of(code) == "survived"}
    explained = {name: [pattern for pattern in patterns if pattern.matches(change)] for name, change in survivors.items()}
    unexplained = [name for name, matching in explained.items() if not matching]
    if options.explained:
        print_explained(patterns, survivors, explained)
    for name in unexplained:
        print(f"{survivors[name]}\n    {survivors[name].marked}\n")
    if not counts["not tried"] and all((WORK / part).exists() for part in PARTS):
        for pattern in unused(patterns, survivors.values()):
            print(f"Unused pattern, no survivor matches it: {pattern}\n")
    share = 100 * len(unexplained) / len(outcomes)
    print(
        f"{len(outcomes)} mutants: {counts['killed']} killed, {counts['timed out']} timed out, {len(survivors)} survived "
        f"({len(survivors) - len(unexplained)} explained, {len(unexplained)} not: {share:.1f} %), "
        f"{counts['not tried']} not tried"
    )
    return int(share >= ALLOWED or counts["not tried"] > 0)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation_report", description=__doc__)
    parser.add_argument("--explained", action="store_true", help="list each pattern with the survivors that it explains")
    return parser.parse_args()


def print_explained(patterns: Iterable[Pattern], survivors: dict[str, Change], explained: dict[str, list[Pattern]]) -> None:
    """Print each pattern with its survivors: a pattern that is too wide shows here."""
    for pattern in patterns:
        names = [name for name, matching in explained.items() if pattern in matching]
        print(f"{len(names)} by {pattern}\n    {pattern.reason}")
        for name in names:
            print(f"  {survivors[name]}")
        print()


def read_outcomes() -> Iterator[tuple[str, int | None]]:
    """Yield every mutant's name and the exit code of its tests; None if it was not tried."""
    for meta in sorted(WORK.glob("*/mutants/**/*.py.meta")):
        yield from json.loads(meta.read_text())["exit_code_by_key"].items()


def kind_of(code: int | None) -> str:
    """Return the meaning of an exit code."""
    if code is None:
        return "not tried"
    if code in SURVIVED:
        return "survived"
    return "timed out" if code in TIMED_OUT else "killed"


def change_of(name: str) -> Change:
    """Return the change that the mutant ``name`` makes."""
    diff_apply: Any = importlib.import_module("mutmut.mutation.diff_apply")
    module, _, mangled = name.rpartition(".")
    file = f"{module.replace('.', '/')}.py"
    previous = Path.cwd()
    os.chdir(WORK / next(part_name for part_name, part in PARTS.items() if part.has(module)))
    try:
        diff: str = diff_apply.get_diff_for_mutant(name, path=file)
    finally:
        os.chdir(previous)
    function = re.sub(r"^x_?|__mutmut_\d+$", "", mangled).strip("ǁ").replace("ǁ", ".")
    return change_in(diff, file, function)


def change_in(diff: str, file: str, function: str) -> Change:
    """Return the change in a unified diff of one function."""
    lines = diff.splitlines()[2:]
    old, new = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(file, function, old, new)


def read_patterns(file: Path) -> list[Pattern]:
    """Read the patterns; an entry with several ``lines`` is one pattern for each.

    Raises:
        ValueError: an entry has no reason, or a kind that is none of ``KINDS``.
        TypeError: an entry has an unknown key.
    """
    patterns: list[Pattern] = []
    for entry in tomllib.loads(file.read_text())["survivors"]:
        if not entry["reason"].strip() or entry.get("kind", "case") not in KINDS:
            raise ValueError(f"An entry needs a reason, and its kind is one of {', '.join(KINDS)}: {entry}")
        given: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "lines"}
        patterns += (Pattern(line=line, **given) for line in entry["lines"])
    return patterns


def unused(patterns: Iterable[Pattern], survivors: Iterable[Change]) -> list[Pattern]:
    """Return the patterns that match no survivor."""
    changes = list(survivors)
    return [pattern for pattern in patterns if not any(map(pattern.matches, changes))]


def _common(some: list[str], others: list[str]) -> int:
    """Return how many tokens both begin with."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(some), len(others)))


if __name__ == "__main__":
    sys.exit(main())
