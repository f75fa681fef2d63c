"""Fuzzing in its long form, guided by coverage: ``python -m scripts.fuzz --cases 1000000``. It needs atheris."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tests.long.fuzz import corpus
from tests.long.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".cache" / "fuzz"

# A case that takes 20 seconds or 64 MiB at once is a finding, whatever it ends in: none of the limits allows a tenth of that.
LIMITS = ["-timeout=20", "-malloc_limit_mb=64", "-rss_limit_mb=1024", "-max_len=4096"]

PIPED: Any = {
    "cwd": ROOT,
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.DEVNULL,
    "stderr": subprocess.PIPE,
    "text": True,
    "errors": "replace",
}

_PROGRESS = re.compile(r"#(?P<cases>\d+)\t(?P<kind>\w+) +cov: (?P<covered>\d+)")


class Outcome(NamedTuple):
    """Result of one target."""

    target: str
    cases: int
    seconds: float
    covered: int
    findings: list[Path]
    exit_code: int

    @property
    def is_clean(self) -> bool:
        return self.exit_code == 0 and not self.findings

    def __str__(self) -> str:
        verdict = "ok" if self.is_clean else "FINDING: " + (", ".join(map(str, self.findings)) or f"exit {self.exit_code}")
        rate = self.cases / max(self.seconds, 0.001)
        return f"{self.target:20} {self.cases:>9,} cases {rate:>8,.0f}/s {self.covered:>6} edges  {verdict}"


def main() -> int:
    """Fuzz, report, and say with the exit code whether there is a finding."""
    options = arguments()
    share = -(-options.cases // len(options.target))
    outcomes: list[Outcome] = []
    for target in options.target:
        outcomes.append(fuzz(target, share, options.seed))
        print(outcomes[-1], flush=True)
        if options.keep:
            keep(target)
    cases, seconds = sum(outcome.cases for outcome in outcomes), sum(outcome.seconds for outcome in outcomes)
    wrong = [outcome.target for outcome in outcomes if not outcome.is_clean]
    print(f"{cases:,} cases in {seconds:,.0f} s, {cases / seconds:,.0f}/s, seed {options.seed}: {wrong or 'no finding'}")
    return bool(wrong)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="in all, shared among the targets (default: %(default)s)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="may be given several times (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="the same one tries the same cases, from the same corpus")
    parser.add_argument("--keep", action="store_true", help="put what covers more into tests/long/fuzz/corpus/found")
    options = parser.parse_args()
    options.target = options.target or list(TARGETS)
    return options


def fuzz(target: str, cases: int, seed: int) -> Outcome:
    """Run one target, from its corpus on, in a process that ends with the first finding."""
    folder = WORK / target
    unpack(target, folder / "corpus")
    prefix = folder / "finding-"
    for old in folder.glob("finding-*"):
        old.unlink()
    options = [f"-runs={cases}", f"-seed={seed}", f"-artifact_prefix={prefix}", *LIMITS]
    command = [sys.executable, "-m", "tests.long.fuzz.drive", target, *options, str(folder / "corpus")]
    started, done, covered = time.monotonic(), 0, 0
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, **PIPED)  # noqa: S603 - a command of our own
        for done, covered in progress(teed(process.stderr, log), cases, target):  # noqa: B007 - the last ones count
            pass
        process.wait()
    return Outcome(target, done, time.monotonic() - started, covered, sorted(folder.glob("finding-*")), process.returncode)


def teed(lines: Iterable[str] | None, copy: TextIO) -> Iterator[str]:
    """Copy each line to a file, and yield it."""
    for line in lines or ():
        copy.write(line)
        yield line


def progress(lines: Iterable[str], cases: int, target: str) -> Iterator[tuple[int, int]]:
    """Cases done and edges covered so far. A tenth of the way is told of, on a terminal."""
    told = 0
    for match in filter(None, map(_PROGRESS.match, lines)):
        done = int(match["cases"])
        yield done, int(match["covered"])
        if done * 10 // max(cases, 1) > told and sys.stderr.isatty():
            told = done * 10 // cases
            print(f"  {target}: {done:,} of {cases:,}", file=sys.stderr, flush=True)


def unpack(target: str, folder: Path) -> None:
    """Write the corpus as libFuzzer wants it: a file for each input."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        entry.unlink()
    for content in corpus.read(target):
        (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)


def keep(target: str) -> None:
    """Add the shortest of what covers more to the corpus."""
    corpus.keep(target, [file.read_bytes() for file in (WORK / target / "corpus").iterdir()])


if __name__ == "__main__":
    sys.exit(main())
