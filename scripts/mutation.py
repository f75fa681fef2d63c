"""Mutation testing: ``python -m scripts.mutation``, then ``python -m scripts.mutation_report``. It needs mutmut.

Each part of the code is tried with its own tests, because those of the other would take most of the time and notice little.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".cache" / "mutation"
LINKS = ("CONTRIBUTING.md", "README.md", "docs", "prio_middleware", "pyproject.toml", "tests")


class Part(NamedTuple):
    """Files that mutants are made of (globs; a ``*`` spans folders), and the tests that run on these mutants."""

    files: tuple[str, ...]
    tests: tuple[str, ...]

    def has(self, pattern: str) -> bool:
        """Return whether mutants of this part may match the pattern of mutants' names."""
        pattern = pattern.replace(".", "/")
        globs = [file.removesuffix(".py") for file in self.files]
        return any(fnmatchcase(pattern, glob) or fnmatchcase(glob, pattern) for glob in globs)


# Pure tests, and those of a few components through a mock transport.
PARTS = {
    "oauth": Part(("prio_middleware/oauth/*.py",), ("tests/oauth",)),
    "components": Part(
        ("prio_middleware/pipeline/*.py", "prio_middleware/middleware/*.py"),
        (
            "tests/middleware",
            "tests/pipeline",
            "tests/build",
            "tests/settings/test_pipeline.py",
            "tests/transports/test_accounts.py",
            "tests/transports/test_app_reference.py",
            "tests/transports/test_caller_authorization.py",
            "tests/transports/test_query_key.py",
            "tests/transports/test_static_credentials.py",
        ),
    ),
}


def main() -> int:
    """Try the mutants of one part; without ``--part``, of each part in a process of its own."""
    options = arguments()
    if options.part:
        run_part(options)
        return 0
    for name, part in PARTS.items():
        if not options.mutants or any(map(part.has, options.mutants)):
            command = [sys.executable, "-m", "scripts.mutation", "--part", name, *sys.argv[1:]]
            subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - this module again
    return 0


def run_part(options: argparse.Namespace) -> None:
    """Run mutmut beside the checkout: it works on copies of what the links lead to."""
    part, work = PARTS[options.part], WORK / options.part
    prepare(work, fresh=not options.keep)
    os.chdir(work)
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    # mutmut sets a context variable for every call. A generator that the collector finalizes meanwhile calls something too, and
    # setting the variable within its setting crashes CPython 3.11.
    gc.disable()
    # A mutant's tests end with ten collections of garbage, which are to look through what is their own.
    os.register_at_fork(after_in_child=gc.freeze)
    mutmut: Any = importlib.import_module("mutmut.__main__")
    config: Any = importlib.import_module("mutmut.configuration").config()
    config.only_mutate, config.pytest_add_cli_args_test_selection = [*part.files], [*part.tests]
    with progress(work):
        mutmut.cli(["run", "--max-children", str(options.processes), *filter(part.has, options.mutants)], standalone_mode=False)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("mutants", nargs="*", help="names, or patterns of names, such as 'prio_middleware.oauth.access_token*'")
    parser.add_argument("--part", choices=[*PARTS], help="the part to try (default: each that the names are of)")
    parser.add_argument("--keep", action="store_true", help="go on where an earlier run ended")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2, help="at a time (default: %(default)s)")
    return parser.parse_args()


@contextlib.contextmanager
def progress(work: Path) -> Generator[None]:
    """Send the progress to a terminal, or else to a file."""
    if sys.stdout.isatty():
        yield
        return
    path = work / "log"
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


def prepare(work: Path, *, fresh: bool) -> None:
    """Make a folder with a link to everything that mutmut copies."""
    work.mkdir(parents=True, exist_ok=True)
    if fresh:
        shutil.rmtree(work / "mutants", ignore_errors=True)
    for name in LINKS:
        link = work / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)


if __name__ == "__main__":
    sys.exit(main())
