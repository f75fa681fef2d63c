"""A fleet of processes, with one token for all and without.

    python -m benchmarks.fleet simulate [--pods 10000] [--seed 1]
    python -m benchmarks.fleet processes [--processes 50] [--threads 20]

``simulate`` plays a day in virtual time through the real token provider. ``processes`` starts real ones, with the sandbox over
TLS and a private redis-server between them. Without either, both are run. Tables, numbers and plots go to .cache/bench.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .day import Plan
from .redis_server import binary
from .scenes import Size
from .scenes import play_all as play_all_scenes
from .show import draw, grid, promised, write_json
from .simulation import VARIANTS, Task, play_all
from .world import Conditions


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen parts. Return the exit status: 1 if a promise was not kept."""
    given = _parser().parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if given.what != "processes":
        _simulate(given, console)
    return 0 if given.what == "simulate" else _processes(given, console)


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


def _processes(given: argparse.Namespace, console: Console) -> int:
    if binary() is None:
        console.print("There is neither redis-server nor valkey-server: no real processes.")
        return 0
    began = time.monotonic()
    size = Size(given.processes, given.threads, given.calls, given.rounds)
    with console.status("") as status:
        promises = play_all_scenes(size, status.update)
    console.print(promised(promises, size))
    (given.out / "fleet-processes.json").write_text(json.dumps([promise._asdict() for promise in promises], indent=1) + "\n")
    console.print(f"{time.monotonic() - began:.0f} s; {given.out / 'fleet-processes.json'}\n", style="dim")
    return int(any(promise.kept is False for promise in promises))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["simulate", "processes"], help="both unless given")
    parser.add_argument("--pods", type=int, default=10_000, help="simulated processes (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.1, help="calls a second of each of them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="variants at a time (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=50, help="real processes (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=20, help="of each of them, at the start (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=20_000, help="while the store goes away (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="of the steady state (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".cache/bench"), help="where to write (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
