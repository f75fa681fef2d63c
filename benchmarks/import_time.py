"""What an import costs: ratios of interleaved runs against ``import httpx``, and ``import httpx2``, alone.

    python benchmarks/import_time.py [--rounds 25] [--limit 1.3]

Each import runs in a fresh interpreter, with warm caches, and its processor time is taken: an import waits for nothing, and
whatever else the machine is doing does not count. Both libraries load click, rich and Pygments where they are installed, for a
command line of their own; they are hidden here, because that would flatter us. Exits with 1 where a median ratio is over the
limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

SUBJECTS = {
    "httpx": ["import prio_middleware", "from prio_middleware.httpx import client"],
    "httpx2": ["import prio_middleware", "from prio_middleware.httpx2 import client"],
}

TIMED = """
import sys, time
sys.modules["click"] = None
start = time.process_time()
{statement}
print(time.process_time() - start)
"""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With that variable, this library's sources would be compiled at every import, and those of what pip installed would not."""


def seconds(statement: str) -> float:
    """Seconds of processor time that ``statement`` takes in a fresh interpreter."""
    program = TIMED.format(statement=statement)
    answer = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)  # noqa: S603 - above
    return float(answer.stdout)


def rounds(statements: list[str], count: int) -> list[list[float]]:
    """The seconds of each statement, ``count`` times in turn, the order changing."""
    for statement in statements:
        seconds(statement)
    table: list[list[float]] = []
    for turn in range(count):
        order = statements[:: -1 if turn % 2 else 1]
        taken = {statement: seconds(statement) for statement in order}
        table.append([taken[statement] for statement in statements])
    return table


def main() -> int:
    """Measure and print. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="times that each import is made (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=1.3, help="the highest ratio that will do (default: %(default)s)")
    given = parser.parse_args()
    worst = 0.0
    print(f"{'':46}{'median':>10}{'ratio':>8}")
    for library, statements in SUBJECTS.items():
        floor = f"import {library}"
        table = rounds([floor, *statements], given.rounds)
        for column, statement in enumerate([floor, *statements]):
            ratio = statistics.median(row[column] / row[0] for row in table)
            worst = max(worst, ratio)
            print(f"{statement:46}{statistics.median(row[column] for row in table) * 1e3:7.1f} ms{ratio:8.2f}", flush=True)
    return int(worst > given.limit)


if __name__ == "__main__":
    sys.exit(main())
