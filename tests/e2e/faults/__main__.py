"""``python -m tests.e2e.faults``: let every kind of client meet every fault, and print what happened.

Exit status 0: all is as the table says; 1: not all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import anyio
from rich.console import Console

from prio_middleware import build
from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.e2e.faults.meeting import Met, Wires, meet
from tests.e2e.faults.sheet import WIDTH, Sheet
from tests.e2e.faults.table import FAULTS, Fault
from tests.e2e.place import Place
from tests.transports.world import WORLDS, World


def main(arguments: Sequence[str]) -> int:
    """Run the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="the faults with this in their names")
    asked = parser.parse_args(arguments)
    width = None if sys.stdout.isatty() else WIDTH
    sheet = Sheet(Console(width=width, highlight=False, markup=False, emoji=False), WORLDS)
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox, Wires.to(sandbox.url) as wires:
        for fault in FAULTS:
            if asked.only in str(fault):
                sheet.add(fault, [_meet(fault, world, sandbox, wires) for world in WORLDS])
    return sheet.close()


def _meet(fault: Fault, world: str, sandbox: Sandbox, wires: Wires) -> Met:
    build.forget()
    wires.calm()
    sandbox.admin.reset()
    place = Place(World(world), sandbox)
    return anyio.run(meet, fault, place, wires, backend=place.world.backend)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
