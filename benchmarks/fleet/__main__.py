"""A fleet of processes, with one token for all and without.

    python -m benchmarks.fleet simulate [--pods 10000] [--seed 1]
    python -m benchmarks.fleet processes [--processes 50] [--threads 20]

``simulate`` plays a day in virtual time through the real token provider; ``processes`` starts real ones, the sandbox over TLS and a
private redis-server between them. Without either, both are run. Tables, numbers and plots are written to .cache/bench.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .day import Plan
from .show import draw, grid, write_json
from .simulation import VARIANTS, Task, play_all
from .world import Conditions


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for. Returns the exit status: 1 where a promise was not kept."""
    given = _parser().parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if given.what != "processes":
        _simulate(given, console)
    return 0


def _simulate(given: argparse.Namespace, console: Console) -> None:
    began = time.monotonic()
    tasks = [Task(variant, given.pods, Conditions(rate=given.rate), Plan(), given.seed) for variant in VARIANTS]
    with Progress(console=console, transient=True) as progress:
        bars = {task.variant: progress.add_task(str(task.variant), total=1.0) for task in tasks}
        days = play_all(tasks, given.jobs, lambda variant, part: progress.update(bars[variant], completed=part))
    console.print(grid(days, tasks[0]))
    write_json(days, tasks[0], given.out / "fleet-day.json")
    paths = [*draw(days, tasks[0], given.out), given.out / "fleet-day.json"]
    console.print(f"{time.monotonic() - began:.0f} s; {', '.join(map(str, paths))}\n", style="dim")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["simulate", "processes"], help="both unless given")
    parser.add_argument("--pods", type=int, default=10_000, help="simulated processes (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.1, help="calls a second of each of them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="variants at a time (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".cache/bench"), help="where to write (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
