"""What came of ``python -m scripts.mutation``: ``python -m scripts.mutation_report``.

Every mutant that survived has to be explained in ``tests/mutation_survivors.toml``: by its file, its function and what it
changes, so that an explanation outlives what happens elsewhere in the file.
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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scripts.mutation import ROOT, WORK

EXPLAINED = ROOT / "tests" / "mutation_survivors.toml"
ALLOWED = 5.0
"""Percent of all mutants: fewer than so many may survive without an explanation."""

KILLED, TIMED_OUT = frozenset({1, 3, -11}), frozenset({24, 36, -24, 152, 255})
SURVIVED = frozenset({0, 5, 33})
"""mutmut's exit codes of a mutant's tests: they pass (0), or there are none (5, 33)."""


class Change(NamedTuple):
    """What a mutant does, and where. Two of the same function that do the same are one.

    Attributes:
        file: relative to the root.
        function: with its class.
        old: the lines that it takes out, joined, without indentation.
        new: the lines that it puts there.
    """

    file: str
    function: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file} {self.function}\n    - {self.old}\n    + {self.new}"


def main() -> int:
    """Count, list what is not explained, and say with the exit code whether it is too much."""
    options = arguments()
    outcomes = dict(read_outcomes())
    if not outcomes:
        print("There are no results: python -m scripts.mutation makes them.")
        return 2
    counts = Counter(kind_of(code) for code in outcomes.values())
    survivors = {name: change_of(name) for name, code in outcomes.items() if kind_of(code) == "survived"}
    explained = read_explanations(EXPLAINED)
    unexplained = {name: change for name, change in survivors.items() if change not in explained}
    for name, change in unexplained.items():
        print(f"# {name}\n{as_toml(change)}" if options.toml else f"{change}\n")
    for change in stale(explained, survivors.values(), outcomes):
        print(f"Explained, but it does not survive any more:\n{change}\n")
    share = 100 * len(unexplained) / len(outcomes)
    print(
        f"{len(outcomes)} mutants: {counts['killed']} killed, {counts['timed out']} timed out, {len(survivors)} survived "
        f"({len(survivors) - len(unexplained)} explained, {len(unexplained)} not: {share:.1f} %), "
        f"{counts['not tried']} not tried"
    )
    return int(share >= ALLOWED or counts["not tried"] > 0)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation_report", description=__doc__)
    parser.add_argument("--toml", action="store_true", help="print what is not explained as entries that lack a reason only")
    return parser.parse_args()


def read_outcomes() -> Iterator[tuple[str, int | None]]:
    """Every mutant's name, and the exit code of its tests; None: it was not tried."""
    for meta in sorted((WORK / "mutants").rglob("*.py.meta")):
        yield from json.loads(meta.read_text())["exit_code_by_key"].items()


def kind_of(code: int | None) -> str:
    """What an exit code means."""
    if code is None:
        return "not tried"
    if code in SURVIVED:
        return "survived"
    return "timed out" if code in TIMED_OUT else "killed"


def file_of(name: str) -> str:
    """Where the mutant of this name is."""
    return f"{name.rpartition('.')[0].replace('.', '/')}.py"


def change_of(name: str) -> Change:
    """What the mutant of this name does."""
    diff_apply: Any = importlib.import_module("mutmut.mutation.diff_apply")
    file, mangled = file_of(name), name.rpartition(".")[2]
    previous = Path.cwd()
    os.chdir(WORK)
    try:
        diff: str = diff_apply.get_diff_for_mutant(name, path=file)
    finally:
        os.chdir(previous)
    function = re.sub(r"^x_?|__mutmut_\d+$", "", mangled).strip("ǁ").replace("ǁ", ".")
    return change_in(diff, file, function)


def change_in(diff: str, file: str, function: str) -> Change:
    """What a unified diff of one function does."""
    lines = diff.splitlines()[2:]
    old, new = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(file, function, old, new)


def read_explanations(file: Path) -> dict[Change, str]:
    """Every change that makes no difference a test could see, and why.

    Raises:
        ValueError: one has no reason.
    """
    explained: dict[Change, str] = {}
    for entry in tomllib.loads(file.read_text())["survivor"]:
        if not entry["reason"].strip():
            raise ValueError(f"There is no reason for {entry}.")
        for new in [entry["new"]] if isinstance(entry["new"], str) else entry["new"]:
            explained[Change(entry["file"], entry["function"], entry["old"], new)] = entry["reason"]
    return explained


def stale(explained: Iterable[Change], survivors: Iterable[Change], outcomes: dict[str, int | None]) -> Iterator[Change]:
    """The explanations that nothing needs any more, of files whose mutants were all tried."""
    needed = set(survivors)
    tried = set(map(file_of, outcomes)) - {file_of(name) for name, code in outcomes.items() if code is None}
    yield from (change for change in explained if change.file in tried and change not in needed)


def as_toml(change: Change) -> str:
    """An entry for the list, without its reason."""
    fields = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in change._asdict().items())
    return f'[[survivor]]\n{fields}\nreason = ""\n'


if __name__ == "__main__":
    sys.exit(main())
