"""Run the benchmarks: ``python -m benchmarks.peers --help``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

from rich.console import Console

from .effort import FULL, QUICK, TINY, Effort
from .plots import draw
from .report import show, write_json, write_text
from .scenarios import SCENARIOS
from .table import Table

EFFORTS = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write. Returns the exit status: 1 where a peer is ahead of this library, and that was asked for."""
    given = _parser().parse_args(arguments)
    effort: Effort = EFFORTS[given.effort]
    given.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    tables = [table for name in given.scenario or SCENARIOS for table in _run(name, effort, console)]
    write_json(tables, dataclasses.asdict(effort), given.out / "peers.json")
    write_text(tables, given.out / "peers.txt")
    for table in tables:
        draw(table, given.out)
    behind = [sentence for table in tables for sentence in table.behind()]
    console.print(
        "\n".join(["Where a peer is ahead:", *behind]) if behind else "Ahead of every peer in every row that is raced."
    )
    console.print(f"Tables, JSON and plots: {given.out}")
    return int(given.strict and bool(behind))


def _run(name: str, effort: Effort, console: Console) -> list[Table]:
    start = time.monotonic()
    tables = SCENARIOS[name](effort)
    for table in tables:
        show(table, console)
    console.print(f"{name}: {time.monotonic() - start:.0f} s\n", style="dim")
    return tables


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="This library beside its peers.")
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []], help=f"{', '.join(SCENARIOS)}; all unless given")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const="quick", help="a few minutes, for development")
    effort.add_argument("--tiny", dest="effort", action="store_const", const="tiny", help="shows only that everything runs")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a peer is ahead in a row that is raced")
    parser.add_argument("--out", type=Path, default=Path(".cache/bench"), help="where to write (default: %(default)s)")
    parser.set_defaults(effort="full")
    return parser


if __name__ == "__main__":
    sys.exit(main())
