"""``python -m prio_middleware.demo``: play the whole story. Exit status 0: all is as expected; 1: not all; 2: it cannot run."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence

from ..errors import ConfigurationError
from .open_files import allow_open_files
from .size import FULL, QUICK

NEEDED = ("rich", "httpx2", "trustme", "uvicorn")
"""Packages that only extras bring."""

SPARE_FILES = 100
"""Open files that are no connections."""

INTERRUPTED = 130
"""The exit status of a program that was ended by Ctrl-C."""


def main(arguments: Sequence[str]) -> int:
    """Play the demo. Returns the exit status."""
    asked = _parser().parse_args(arguments)
    size = QUICK if asked.quick else FULL
    obstacle = _missing() or _too_few_files(size.calls + SPARE_FILES)
    if obstacle:
        sys.stderr.write(f"{obstacle}\n")
        return 2
    from rich.console import Console

    from .scenarios import all_scenarios
    from .screen import Screen
    from .show import show

    try:
        as_expected = show(all_scenarios(size), Screen(Console(markup=False, emoji=False, highlight=False)))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED
    return 0 if as_expected else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m prio_middleware.demo", description="The whole story, against a sandbox.")
    parser.add_argument("--quick", action="store_true", help="tell it with a few calls instead of thousands")
    return parser


def _missing() -> str | None:
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return f"The demo needs {', '.join(absent)}. Install it: pip install 'prio-middleware[cli,httpx2,sandbox]'"


def _too_few_files(needed: int) -> str | None:
    allowed = allow_open_files(needed)
    if allowed is None:
        return None
    return f"The demo opens {needed:,} files and connections at once, and may open {allowed:,}: raise the limit (ulimit -n)."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
