"""Run the long proofs one after another and write docs/proof.md: ``python -m scripts.proof [--only NAME ...]``.

The raw output of a part goes to .cache/proof/NAME.txt. Its commit, duration and exit status go to .cache/proof/NAME.json. A
part that has neither keeps its section of the page.
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
RESULTS = ROOT / ".cache" / "proof"

HEAD = """\
# Proof

This page lists the claims that take long to check. Each has its command, the measured figures, and the commit that they
were measured at. You can run each command again in a checkout.

`make proof` runs all of them in about two hours, on two cores with nothing else to do. It keeps the raw output in
`.cache/proof/` and writes this page from it.
"""

COUNT = "#"
"""The value of a figure that counts its matches."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Figure(NamedTuple):
    """A figure in the output of a part.

    Attributes:
        label: its name, a template for ``Match.expand``.
        pattern: a regular expression; each match in the output is a row of the page.
        value: its value, a template for ``Match.expand``, or ``COUNT``.
    """

    label: str
    pattern: str
    value: str


class Part(NamedTuple):
    """One proof.

    Attributes:
        name: its name on the command line and in .cache/proof.
        claim: the claim that it checks, the heading of its section.
        command: the command that checks it.
        figures: the figures to take from its output.
    """

    name: str
    claim: str
    command: str
    figures: tuple[Figure, ...]


class Result(NamedTuple):
    """Outcome of one proof.

    Attributes:
        command: the command that ran.
        commit: the commit at the start, with a plus sign if tracked files differed from it.
        on: the day, in ISO 8601.
        machine: the Python version, system and processors.
        seconds: the duration.
        exit_code: the exit status; 0 if nothing was wrong.
        output: the printed text.
    """

    command: str
    commit: str
    on: str
    machine: str
    seconds: float
    exit_code: int
    output: str


_CELL = r" +([^│]+?) +"

PARTS = (
    Part(
        "overhead",
        "A call costs little more than one with a fixed header",
        "python benchmarks/overhead.py",
        (
            Figure(
                r"\1, added to a call",
                r"^(httpx2? \w+) +[\d.]+ µs +[\d.]+ µs +(-?[\d.]+ µs) +([\d.]+) +(.+?) *$",
                r"\2, ratio \3 (95 % interval \4)",
            ),
        ),
    ),
    Part(
        "telemetry",
        "Telemetry adds nothing measurable to a call",
        "python -m benchmarks.telemetry",
        (
            Figure(
                r"\1, with spans and metrics to without",
                r"^(httpx2? \w+) +[\d.]+ µs +[\d.]+ µs +([\d.]+) +(.+?) *$",
                r"ratio \2 (95 % interval \3)",
            ),
            Figure("Counting", r"^Counting, with or without an SDK: (.+)$", r"\1"),
        ),
    ),
    Part(
        "judging",
        "No answer of a server stops an event loop for more than 50 ms",
        "python -m benchmarks.judging",
        (Figure("The slowest answer", r"^The slowest answer takes ([\d.]+ ms)", r"\1"),),
    ),
    Part(
        "imports",
        "An import loads little beside the HTTP library",
        "python benchmarks/import_time.py",
        (
            Figure(
                r"`\1`",
                r"^((?:import|from) .*prio_middleware.*?) {2,}([\d.]+ ms) +([\d.]+)$",
                r"\2, ratio to the HTTP library's own import \3",
            ),
            Figure(r"A fresh process, \1", r"^(.+?) {2,}([\d.]+ ms) +([\d.]+)  at most ([\d.]+)$", r"\2, ratio \3 (bound \4)"),
        ),
    ),
    Part(
        "peers",
        "Peers are ahead only in the cost of a call",
        "python -m benchmarks.peers",
        (
            Figure(
                r"\1, added to a call in memory, httpx2",
                r"^A call with a fresh token, on a mock transport.*: (\w+)\n(?:.*\n)*?"
                rf"│ +prio-middleware │ httpx2 +│.*?│{_CELL}│{_CELL}│",
                r"\2 µs, ratio to its floor \3",
            ),
            Figure(
                "Token requests, lost calls for 10,000 tasks without a token, httpx2",
                r"^│ prio-middleware +│ httpx2 +│ 10,000 │ +(\d+) │ +(\d+) │",
                r"\1, \2",
            ),
            Figure(
                r"\3 is ahead: \1, \2",
                r"^([a-z]+)(?:-\w+)?, (\w+): (.+?) \(.+?\) has (\S+) and we have (\S+) \((.+)\)$",
                r"\4, this library \5 (\6)",
            ),
        ),
    ),
    Part(
        "fleet",
        "A fleet with a shared store uses one token",
        "python -m benchmarks.fleet",
        (
            *(
                Figure(
                    f"10,000 processes, one day: {label}",
                    rf"^│ {start} +│ +\S+ │ +(\S+) │ +\S+ │ +(\S+) │$",
                    r"\1 without a store, \2 with one",
                )
                for label, start in (
                    ("token requests", "token requests"),
                    ("token requests in the median hour", "… in the median hour"),
                    ("4xx after a revocation", "revocation, all well: 4xx"),
                    ("failed calls", "calls that failed"),
                )
            ),
            Figure(
                r"50 processes, 20 threads each: token requests",
                r"^│ 50 processes x 20 threads, shared +│ [^│]+│ (\d+) ",
                r"\1",
            ),
            Figure("Revocation under load: token requests", r"^│ revocation under load +│ [^│]+│ (\d+) ", r"\1"),
            Figure(
                r"Store killed amid 20,000 calls: failed calls", r"^│ store killed amid 20,000 calls +│ [^│]+│ (.+?) +│", r"\1"
            ),
            Figure("Time of a call with a store, to without", r"^│ steady state +│ [^│]+│ (.+?) +│", r"\1"),
        ),
    ),
    Part(
        "faults",
        "Every fault of server and network ends as documented, for all six kinds of client",
        "python -m tests.long.e2e.faults",
        (
            Figure("Combinations of a client and a fault, all as expected", r"^([\d,]+) .*all as expected", r"\1"),
            Figure("Kinds of fault", r"^  \S.* +(?:✓|[A-Z]\S+) *$", COUNT),
        ),
    ),
    Part(
        "leaks",
        "No feature shows a secret or a token",
        "python -m tests.long.hunt",
        (
            Figure("Combinations of a feature and a client", r"^│ .+ │ httpx2?-\w+ +│", COUNT),
            Figure("Result", r"^(No leaks)\.$", r"\1"),
        ),
    ),
    Part(
        "states",
        "The token provider keeps its invariants in every order of events",
        "python -m tests.long.exhaustive --callers 4",
        (
            Figure(
                "States, transitions, orders of events",
                r"^ +([\d,]+) +([\d,]+) +([\d,]+) +(\d+)  all of them$",
                r"\1, \2, \3",
            ),
        ),
    ),
    Part(
        "fuzzing",
        "A fuzzer finds no input that breaks a parser",
        "python -m scripts.fuzz --cases 1000000",
        (
            Figure("Targets without a finding", r"^\w+ +[\d,]+ cases .* ok$", COUNT),
            Figure("Cases, and result", r"^([\d,]+) cases in .*: (.+)$", r"\1, \2"),
        ),
    ),
    Part(
        "mutation",
        "The tests notice a wrong decision",
        "make mutation",
        (Figure("Mutants", r"^([\d,]+) mutants: (.+)$", r"\1: \2"),),
    ),
    Part(
        "chaos",
        "Half an hour of disturbances violates no invariant",
        "python -m tests.long.chaos --minutes 30 --seed 1",
        (
            Figure("Calls", r"^(\d+) calls in (\d+) rounds: (\d+) requests, .* (\d+) token requests\.", r"\1 in \2 rounds"),
            Figure("Token requests", r"^\d+ calls in .* (\d+) token requests\.", r"\1"),
            Figure("Violations", r"^\d+ calls in .* (\d+) violations\.", r"\1"),
        ),
    ),
)


def main(arguments: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Run the requested parts and write the page. Return 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.proof", description=__doc__)
    parser.add_argument("--only", action="append", choices=[part.name for part in parts], help="may be given several times")
    requested = parser.parse_args(arguments).only
    failed = False
    for part in parts:
        if requested is None or part.name in requested:
            print(f"\n== {part.claim}: {part.command}", flush=True)
            result = run(part)
            save(part, result)
            failed |= result.exit_code != 0
    PAGE.write_text(page(parts))
    print(f"\n{PAGE.relative_to(ROOT)} is written. The raw output is in {RESULTS}.")
    return int(failed)


def run(part: Part) -> Result:
    """Run one part, and print its output while it runs."""
    program, *rest = shlex.split(part.command)
    command = [sys.executable if program == "python" else program, *rest]
    # No colours, and a fixed width, so that the patterns of the figures match.
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
        assert process.stdout is not None  # noqa: S101 - a pipe is requested above
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    seconds = time.monotonic() - started
    today = datetime.now(UTC).date().isoformat()
    return Result(part.command, started_on, today, machine(), seconds, process.returncode, "".join(lines))


def save(part: Part, result: Result) -> None:
    """Write the raw output and its circumstances to .cache/proof."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    circumstances = result._asdict()
    (RESULTS / f"{part.name}.txt").write_text(circumstances.pop("output"))
    (RESULTS / f"{part.name}.json").write_text(json.dumps(circumstances))


def load(part: Part) -> Result | None:
    """Return the last result of a part, or None if there is none in .cache/proof."""
    output, circumstances = RESULTS / f"{part.name}.txt", RESULTS / f"{part.name}.json"
    if not (output.is_file() and circumstances.is_file()):
        return None
    return Result(**json.loads(circumstances.read_text()), output=output.read_text())


def page(parts: Iterable[Part]) -> str:
    """Return the text of the page, with the present sections of parts that have no result in .cache/proof."""
    present = PAGE.read_text() if PAGE.is_file() else ""
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", present, re.MULTILINE))
    texts = []
    for part in parts:
        result = load(part)
        kept = sections.get(part.claim) or f"\nNot run yet: `{part.command}`.\n"
        texts.append(f"## {part.claim}\n{section(part, result) if result else kept.rstrip() + chr(10)}")
    return "\n".join([HEAD, *texts])


def section(part: Part, result: Result) -> str:
    """Return the text of a section below its heading."""
    ended = (
        "exit status 0" if result.exit_code == 0 else f"**exit status {result.exit_code}: see .cache/proof/{part.name}.txt**"
    )
    renamed = "" if result.command == part.command else f" (at that commit `{result.command}`)"
    circumstances = f"commit `{result.commit}`, {result.on}, {duration(result.seconds)}, {ended}.\n{result.machine}."
    rows = [f"| {label} | {value} |" for label, value in figures(part, result.output)]
    return "\n".join(["", f"`{part.command}`{renamed}, {circumstances}", "", "| Figure | Value |", "| --- | --- |", *rows, ""])


def figures(part: Part, output: str) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each figure in the output of a part."""
    text = plain(output)
    for figure in part.figures:
        found = list(re.finditer(figure.pattern, text, re.MULTILINE))
        if not found or figure.value == COUNT:
            yield figure.label.replace("\\", ""), str(len(found)) if found else "not found in the output"
        else:
            yield from ((match.expand(figure.label), match.expand(figure.value)) for match in found)


def plain(output: str) -> str:
    """Return the output as a terminal shows it in the end, without escapes and without paths of this machine."""
    text = _ESCAPES.sub("", output).replace(f"{ROOT}/", "").replace(str(Path.home()), "~")
    return "\n".join(line.rpartition("\r")[2].rstrip() for line in text.replace("\r\n", "\n").split("\n"))


def duration(seconds: float) -> str:
    """Return a duration in seconds below two minutes, in minutes from there on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def commit() -> str:
    """Return the commit that is checked out, with a plus sign if tracked files other than the page differ."""
    found = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return f"{found}+" if changed else found


def machine() -> str:
    """Return the Python version, the system and the number of processors."""
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603, S607


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
