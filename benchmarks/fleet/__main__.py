"""Compare a fleet of processes with and without shared tokens.

    python -m benchmarks.fleet simulate [--simulated 10000] [--seed 1]
    python -m benchmarks.fleet processes [--processes 50] [--threads 20]

``simulate`` simulates a day in virtual time with the real token provider. ``processes`` starts real processes, with the sandbox
over TLS and a private redis-server between them. Without an argument, both run. Tables, numbers and plots go to .cache/bench.
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

from .context import Conditions
from .day import Plan
from .redis_server import binary
from .report import assertion_table, draw, summary_table, write_json
from .scenarios import Size, run_scenarios
from .simulation import VARIANTS, Task, run_all


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen parts. Return the exit status: 1 if an assertion failed."""
    parsed = _parser().parse_args(arguments)
    parsed.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if parsed.what != "processes":
        _simulate(parsed, console)
    return 0 if parsed.what == "simulate" else _processes(parsed, console)


def _simulate(arguments: argparse.Namespace, console: Console) -> None:
    began = time.monotonic()
    conditions = Conditions(rate=arguments.rate)
    tasks = [Task(variant, arguments.simulated, conditions, Plan(), arguments.seed) for variant in VARIANTS]
    with Progress(console=console, transient=True) as progress:
        bars = {task.variant: progress.add_task(str(task.variant), total=1.0) for task in tasks}
        days = run_all(tasks, arguments.jobs, lambda variant, part: progress.update(bars[variant], completed=part))
    console.print(summary_table(days, tasks[0]))
    write_json(days, tasks[0], arguments.out / "fleet-day.json")
    paths = [*draw(days, tasks[0], arguments.out), arguments.out / "fleet-day.json"]
    console.print(f"{time.monotonic() - began:.0f} s; {', '.join(map(str, paths))}\n", style="dim")


def _processes(arguments: argparse.Namespace, console: Console) -> int:
    if binary() is None:
        console.print("Neither redis-server nor valkey-server is installed: no real processes.")
        return 0
    began = time.monotonic()
    size = Size(arguments.processes, arguments.threads, arguments.calls, arguments.rounds)
    with console.status("") as status:
        assertions = run_scenarios(size, status.update)
    console.print(assertion_table(assertions, size))
    path = arguments.out / "fleet-processes.json"
    path.write_text(json.dumps([assertion._asdict() for assertion in assertions], indent=1) + "\n")
    console.print(f"{time.monotonic() - began:.0f} s; {path}\n", style="dim")
    return int(any(assertion.passed is False for assertion in assertions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["simulate", "processes"], help="part to run (default: both)")
    parser.add_argument("--simulated", type=int, default=10_000, help="simulated processes (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.1, help="calls a second of each one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel variants (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=50, help="real processes (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=20, help="threads of each real process (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=20_000, help="calls during the outage of the store (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of the steady state (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".cache/bench"), help="folder for the results (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
