"""Checks the packages that are used beside this one, each with the real package: ``python -m tests.compat``.

It runs in the environment of ``scripts/install_compat``. With names it checks these packages only; with ``--write`` it writes
docs/reference/compatibility.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tests.compat.local_api import LocalAPI
from tests.compat.table import Check, load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "compatibility.md"
PYTHON = ROOT / ".cache" / "compat" / "bin" / "python"
AT_ONCE, TIMEOUT = 2, 120

HEAD = """# Compatibility

This page lists packages that work beside this library, and how to use each of them with a client. Each row is a test with the
real package, through a client, against a local server. `python -m tests.compat` runs them and prints this table; `make
test-long` runs them, too.
"""


class Result(NamedTuple):
    """Result of one check: ``works``, or the last line of what went wrong."""

    check: Check
    version: str
    verdict: str


def run_here(check: Check) -> None:
    """Run a check in this process.

    Raises:
        AssertionError: no call reached the API with a token.
    """
    with LocalAPI() as api:
        check.run(api)
        assert api.calls, "no call arrived with a token"


def run_apart(check: Check) -> Result:
    """Run a check in a process of its own: many packages patch modules or keep global state."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PRIO_", "COVERAGE_", "PYTEST_"))}
    command = [sys.executable, "-m", "tests.compat", "--here", check.package]
    try:
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return Result(check, version(check.package), f"fails: no end within {TIMEOUT} s")
    problem = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
    return Result(check, version(check.package), f"fails: {problem}" if done.returncode else "works")


def version(package: str) -> str:
    """Return the installed version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def tables(results: Iterable[Result]) -> str:
    """Return the tables of the page."""
    lines: list[str] = []
    for kind, rows in groupby(results, key=lambda result: result.check.kind):
        lines += ["", f"## {kind}", "", "| Package | Version | Verdict | How |", "| --- | --- | --- | --- |"]
        lines += [f"| {row.check.package} | {row.version} | {row.verdict} | {row.check.how} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the checks. Return the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat")
    parser.add_argument("packages", nargs="*")
    parser.add_argument("--here", action="store_true", help="in this process, with a traceback")
    parser.add_argument("--write", action="store_true", help="write docs/reference/compatibility.md")
    given = parser.parse_args()
    if Path(sys.prefix) != PYTHON.parents[1]:
        if not PYTHON.exists():
            sys.exit(f"The packages are not installed: scripts/install_compat {sys.executable}")
        return subprocess.run([PYTHON, "-m", "tests.compat", *sys.argv[1:]], cwd=ROOT, check=False).returncode
    checks = [check for name, check in load().items() if name in given.packages or not given.packages]
    if given.here:
        for check in checks:
            run_here(check)
        return 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        results = list(threads.map(run_apart, checks))
    print(tables(results))
    if given.write:
        PAGE.write_text(f"{HEAD}{tables(results)}")
    return sum(result.verdict != "works" for result in results)


if __name__ == "__main__":
    sys.exit(main())
