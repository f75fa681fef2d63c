"""Runs the long proofs one after another and writes docs/proof.md: ``python -m scripts.proof [--only NAME ...]``.

What a part printed is kept in .cache/proof with the commit it ran on, so that a part can be run again alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "proof.md"
KEPT = ROOT / ".cache" / "proof"

HEAD = """\
# Proof

What the long proofs printed, each with its command, so that anyone can run it again. This page is made by `make proof`,
which runs them one after another: in all about two hours on two cores with nothing else to do.
"""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Part(NamedTuple):
    """One proof.

    Attributes:
        name: what to call it by.
        title: what it shows.
        command: what anyone can run.
        lines: how much of what it prints goes onto the page, from the end.
    """

    name: str
    title: str
    command: str
    lines: int = 300


class Result(NamedTuple):
    """How one proof ended.

    Attributes:
        command: what was run.
        commit: on which commit it was begun; with a plus sign, where files had changed since.
        on: the day.
        machine: on what.
        seconds: how long it took.
        exit_code: 0 where it found nothing wrong.
        output: what it printed.
    """

    command: str
    commit: str
    on: str
    machine: str
    seconds: float
    exit_code: int
    output: str


PARTS = (
    Part("overhead", "What a call costs beside the same client with a fixed header", "python benchmarks/overhead.py"),
    Part("telemetry", "What telemetry adds to that", "python -m benchmarks.telemetry"),
    Part("imports", "What an import costs", "python benchmarks/import_time.py"),
    Part("peers", "Beside the peers", "python -m benchmarks.peers", lines=800),
    Part("fleet", "One token for a fleet", "python -m benchmarks.fleet"),
    Part("faults", "Every fault of server and network", "python -m tests.e2e.faults"),
    Part("leaks", "The hunt for secrets", "python -m tests.hunt"),
    Part("states", "Every state of the token provider", "python -m tests.exhaustive --callers 4"),
    Part("fuzzing", "A million cases from a fuzzer", "python -m scripts.fuzz --cases 1000000"),
    Part("mutation", "Mutants that no test notices", "make mutation"),
    Part("chaos", "Half an hour in which everything goes wrong", "python -m tests.chaos --minutes 30 --seed 1"),
)


def main(arguments: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Run the parts that are asked for, and write the page. Returns 1 if one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m scripts.proof", description=__doc__)
    parser.add_argument("--only", action="append", choices=[part.name for part in parts], help="may be given several times")
    asked = parser.parse_args(arguments).only
    failed = False
    for part in parts:
        if asked is None or part.name in asked:
            print(f"\n== {part.title}: {part.command}", flush=True)
            result = run(part)
            keep(part, result)
            failed |= result.exit_code != 0
    PAGE.write_text(page(parts))
    print(f"\n{PAGE.relative_to(ROOT)} is written.")
    return int(failed)


def run(part: Part) -> Result:
    """Run one part, and show what it prints as it comes."""
    program, *rest = shlex.split(part.command)
    command = [sys.executable if program == "python" else program, *rest]
    # What is printed is for a page: no colours, and lines that fit.
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "118", "PYTHONUNBUFFERED": "1"}
    started, started_on, lines = time.monotonic(), commit(), []
    with subprocess.Popen(  # noqa: S603 - one of the parts above
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is asked for above
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    seconds = time.monotonic() - started
    return Result(part.command, started_on, _today(), machine(), seconds, process.returncode, "".join(lines))


def keep(part: Part, result: Result) -> None:
    """Put a result where the next page finds it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{part.name}.json").write_text(json.dumps(result._asdict()))


def kept(part: Part) -> Result | None:
    """The last result of a part."""
    path = KEPT / f"{part.name}.json"
    return Result(**json.loads(path.read_text())) if path.is_file() else None


def page(parts: Iterable[Part]) -> str:
    """The page: every part, those that have not run included."""
    return "\n".join([HEAD, *(line for part in parts for line in section(part, kept(part)))])


def section(part: Part, result: Result | None) -> Iterator[str]:
    """What the page says of one part."""
    yield f"## {part.title}\n"
    if result is None:
        yield f"Not run yet: `{part.command}`.\n"
        return
    ended = "Exit status 0" if result.exit_code == 0 else f"**Something was found: exit status {result.exit_code}**"
    yield f"`{result.command}`, at commit `{result.commit}`, on {result.on}. {ended}, after {duration(result.seconds)}."
    yield f"{result.machine}.\n"
    yield "```text"
    yield from printed(result.output, part.lines)
    yield "```\n"


def printed(output: str, lines: int) -> list[str]:
    """What a terminal would show in the end, without paths of this machine."""
    plain = _ESCAPES.sub("", output).replace(f"{ROOT}/", "").replace(str(Path.home()), "~").replace("```", "'''")
    shown = [line.rpartition("\r")[2].rstrip() for line in plain.replace("\r\n", "\n").split("\n")]
    while shown and not shown[-1]:
        shown.pop()
    return shown if len(shown) <= lines else ["...", *shown[-lines:]]


def duration(seconds: float) -> str:
    """In the unit that fits."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def commit() -> str:
    """The commit that is checked out. The page itself may have changed: by what was run before."""
    found = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return f"{found}+" if changed else found


def machine() -> str:
    """What it ran on, as far as it matters."""
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603, S607


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
