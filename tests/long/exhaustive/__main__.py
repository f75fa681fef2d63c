"""Visit every state and print their number: ``python -m tests.long.exhaustive [--callers 4] [--ticks 3]``."""

from __future__ import annotations

import argparse
import sys

from tests.long.exhaustive.explorer import Found, explore
from tests.long.exhaustive.scopes import scopes


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each scope, and their sum. A broken invariant ends the run with the moves that lead there."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.exhaustive", description="Every state of the token provider.")
    parser.add_argument("--callers", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--ticks", type=int, default=1, help="steps of the clock (default: %(default)s)")
    given = parser.parse_args(arguments)
    print(f"{'states':>10}{'transitions':>13}{'schedules':>24}{'longest':>9}  scope")
    total = Found(0, 0, 0, 0)
    for scope in scopes(given.callers, given.ticks):
        found = explore(scope)
        print(_line(found), scope, flush=True)
        total = total.plus(found)
    print(_line(total), "all of them")
    return 0


def _line(found: Found) -> str:
    return f"{found.states:>10,}{found.transitions:>13,}{found.schedules:>24,}{found.longest:>9} "


if __name__ == "__main__":
    sys.exit(main())
