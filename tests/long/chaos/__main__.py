"""``python -m tests.long.chaos``: everything goes wrong at once, and afterwards it is checked what became of the calls.

Exit status 0: nothing was found; 1: something was; a round is repeated by its seed.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.long.chaos.disturbances import DISTURBANCES
from tests.long.chaos.report import Report
from tests.long.chaos.rounds import installed, play
from tests.redis_servers import BINARIES

ROUND = 15.0
"""Seconds. Between rounds all callers stop, so that what is left behind can be seen, and the record stays small."""

SIZE = 4


def main(arguments: Sequence[str]) -> int:
    """Play rounds. Returns the exit status."""
    asked = _parser().parse_args(arguments)
    seed = random.SystemRandom().getrandbits(32) if asked.seed is None else asked.seed
    disturbances = [each for each in DISTURBANCES if asked.only in each.name]
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not installed():
        console.print(f"There is neither of {' and '.join(BINARIES)} here: in no round tokens are shared, and no store dies.")
    report = Report(console)
    logging.getLogger("prio_middleware").addHandler(logging.NullHandler())  # What happens is in the report.
    until = time.monotonic() + 60 * asked.minutes
    number = asked.first
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox:
        while number == asked.first or time.monotonic() < until:
            report.add(play(sandbox, disturbances, asked.round, f"{seed}.{number}", asked.size))
            number += 1
    return report.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.long.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long in all (1)")
    parser.add_argument("--seed", type=int, help="plan the same again; by default, one is drawn, and printed with each round")
    parser.add_argument("--first", type=int, default=1, help="the first round (1): what stands behind the seed's dot")
    parser.add_argument("--round", type=float, default=ROUND, help=f"seconds of a round ({ROUND:g})")
    parser.add_argument("--size", type=int, default=SIZE, help=f"callers of each of the six kinds ({SIZE})")
    parser.add_argument("--only", default="", metavar="TEXT", help="the disturbances with this in their names")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
