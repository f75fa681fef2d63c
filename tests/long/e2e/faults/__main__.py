"""``python -m tests.long.e2e.faults``: let every kind of client meet every fault, and print what happened.

Exit status 0: all is as the table says; 1: not all.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
from rich.console import Console

from prio_middleware import build
from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.kinds import CLIENT_KINDS
from tests.long.e2e.client_kind import ClientKind
from tests.long.e2e.faults.accounts import ACCOUNT_FAULTS, run_row
from tests.long.e2e.faults.report import WIDTH, Report
from tests.long.e2e.faults.run_fault import FaultRun, Wires
from tests.long.e2e.faults.table import FAULTS, Fault
from tests.transports.matrix import MatrixClient


def main(arguments: Sequence[str]) -> int:
    """Run the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.e2e.faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="the faults with this in their names")
    asked = parser.parse_args(arguments)
    width = None if sys.stdout.isatty() else WIDTH
    report = Report(Console(width=width, highlight=False, markup=False, emoji=False), CLIENT_KINDS)
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox, Wires.to(sandbox.url) as wires:
        for fault in (*FAULTS, *ACCOUNT_FAULTS):
            if asked.only in str(fault):
                report.add(fault, [_run_fault(fault, matrix, sandbox, wires) for matrix in CLIENT_KINDS])
    return report.close()


def _run_fault(fault: Fault, matrix: str, sandbox: Sandbox, wires: Wires) -> FaultRun:
    build.forget()
    wires.calm()
    sandbox.admin.reset()
    kind = ClientKind(MatrixClient(matrix), sandbox)
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(run_row, fault, kind, wires, Path(folder), backend=kind.matrix.backend)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
