"""Mutation testing: ``python -m scripts.mutation``, then ``python -m scripts.mutation_report``. It needs mutmut."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".cache" / "mutation"
LINKS = ("CONTRIBUTING.md", "README.md", "docs", "prio_middleware", "pyproject.toml", "tests")


def main() -> int:
    """Run mutmut beside the checkout: it works on copies of what the links lead to."""
    options = arguments()
    prepare(fresh=not options.keep)
    os.chdir(WORK)
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    # mutmut sets a context variable for every call. A generator that the collector finalizes meanwhile calls something too, and
    # setting the variable within its setting crashes CPython 3.11.
    gc.disable()
    # A mutant's tests end with ten collections of garbage, which are to look through what is their own.
    os.register_at_fork(after_in_child=gc.freeze)
    mutmut: Any = importlib.import_module("mutmut.__main__")
    with progress():
        mutmut.cli(["run", "--max-children", str(options.processes), *options.mutants], standalone_mode=False)
    return 0


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("mutants", nargs="*", help="names, or patterns of names, such as 'prio_middleware.oauth.access_token*'")
    parser.add_argument("--keep", action="store_true", help="go on where an earlier run ended")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2, help="at a time (default: %(default)s)")
    return parser.parse_args()


@contextlib.contextmanager
def progress() -> Generator[None]:
    """Send the progress to a terminal, or else to a file."""
    if sys.stdout.isatty():
        yield
        return
    path = WORK / "log"
    print(f"How far it is, and what goes wrong, stands in {path.relative_to(ROOT)}.", flush=True)
    # mutmut writes to sys.__stdout__, too, and its children do: only the descriptor is the same for all.
    printed = os.dup(1)
    with path.open("w") as log:
        os.dup2(log.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(printed, 1)
        os.close(printed)


def prepare(*, fresh: bool) -> None:
    """Make a folder with a link to everything that mutmut copies."""
    WORK.mkdir(parents=True, exist_ok=True)
    if fresh:
        shutil.rmtree(WORK / "mutants", ignore_errors=True)
    for name in LINKS:
        link = WORK / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)


if __name__ == "__main__":
    sys.exit(main())
