"""Cost of an import and of a start: ratios of interleaved runs to those of ``httpx``, ``httpx2`` and ``typer`` alone.

    python benchmarks/import_time.py [--rounds 25] [--limit 1.3]

Each program runs in a fresh interpreter, with warm caches, and its processor time is taken: an import waits for nothing, and
whatever else the machine is doing does not count. An import is measured alone, a start from the beginning of the process.

The HTTP libraries load click, rich and Pygments where they are installed, for a command line of their own. These are
hidden here, because they would flatter us, and in a start trio is too. Exits with 1 where a median ratio is over its bound.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

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

HIDDEN = """
import sys
sys.modules["click"] = sys.modules["trio"] = None
"""

HTTPX_CLIENT = f"""
{HIDDEN}
import httpx
httpx.Client()
"""

TRANSPORT = f"""
{HIDDEN}
import httpx
from prio_middleware import ClientCredentialsProvider, ClientSecretBasic, Secret, TokenEndpoint
from prio_middleware.httpx import AuthTransport
provider = ClientCredentialsProvider(TokenEndpoint("https://api.example.com/token", ClientSecretBasic("shop", Secret("s"))))
httpx.Client(transport=AuthTransport(httpx.HTTPTransport(), provider=provider))
"""

CLIENT = f"""
{HIDDEN}
from prio_middleware.httpx import client
client()
"""

TYPER_HELP = """
import typer
app = typer.Typer()
@app.command()
def hello():
    "Say hello."
app(["--help"], standalone_mode=False)
"""

PRIO_HELP = """
from prio_middleware.cli.commands import app
app(["--help"], standalone_mode=False)
"""

TOML = """
client_id = "shop"
client_secret = "s"
"""

VARIABLES = {"PRIO_CLIENT_ID": "shop", "PRIO_CLIENT_SECRET": "s"}

STARTS = {
    "a transport made by hand": (TRANSPORT, HTTPX_CLIENT, 1.5),
    "client() from the environment": (CLIENT, HTTPX_CLIENT, 2.5),
    "client() from prio.toml": (CLIENT, HTTPX_CLIENT, 2.5),
    "prio --help": (PRIO_HELP, TYPER_HELP, 1.5),
}
"""Programs, what each is compared with, and the bound of the ratio. ``tests/test_imports.py`` counts modules."""

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


def start_seconds(program: str, directory: str, variables: dict[str, str]) -> float:
    """Seconds of processor time of a fresh interpreter, from its beginning to the end of ``program``."""
    timed = f"{program}\nimport sys, time\nprint(time.process_time(), file=sys.stderr)"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    answer = run([sys.executable, "-c", timed], env=environment, cwd=directory)
    return float(answer.stderr)


def start_ratio(name: str, count: int) -> tuple[float, float]:
    """Return the median seconds of a start, and its median ratio to the program that it is compared with."""
    program, floor, _ = STARTS[name]
    variables = VARIABLES if "environment" in name else {}
    with tempfile.TemporaryDirectory() as directory:
        if "toml" in name:
            Path(directory, "prio.toml").write_text(TOML)
        table = [[start_seconds(each, directory, variables) for each in (floor, program)] for _ in range(count + 1)]
    del table[0]  # Caches were cold.
    return statistics.median(row[1] for row in table), statistics.median(row[1] / row[0] for row in table)


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
    is_over = worst > given.limit
    for name, (_, _, bound) in STARTS.items():
        taken, ratio = start_ratio(name, given.rounds)
        is_over |= ratio > bound
        print(f"{name:46}{taken * 1e3:7.1f} ms{ratio:8.2f}  at most {bound}", flush=True)
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
