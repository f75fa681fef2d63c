"""``python -m tests.long.hunt``: send secrets and tokens through every feature, and look for them wherever they could be seen.

Exit status 0: none was seen; 1: one was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pytest
from rich.console import Console

from tests.long.hunt.features import FEATURES, hunt
from tests.long.hunt.report import WIDTH, Report


def main(arguments: Sequence[str]) -> int:
    """Hunt, and print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.hunt", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="the features with this in their names")
    asked = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False, emoji=False)
    report = Report(console)
    for feature in FEATURES:
        for client_kind in feature.client_kinds:
            if asked.only in feature.name:
                try:
                    context = hunt(feature, client_kind)
                except pytest.skip.Exception as skipped:
                    console.print(f"{feature}: {skipped}")
                    continue
                report.add(feature.name, client_kind, context.searched(), context.leaks())
    return report.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
