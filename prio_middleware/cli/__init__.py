"""The ``prio`` command: checks a client's settings and connection, makes calls, shows tokens. Needs the extra ``cli``."""

from __future__ import annotations

import importlib.util
import sys

NEEDED = ("typer", "rich")
"""Packages that only the extra brings."""


INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main() -> None:
    """Run the command line, and exit.

    Raises:
        SystemExit: always. 0: done; 1: it failed; 2: the command line or the settings are wrong; 130: Ctrl-C; 141: nobody
            reads the output any more. ``prio request`` has 3, 4 and 5 for answers 3xx, 4xx and 5xx.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"The prio command needs {' and '.join(missing)}. Install it: pip install 'prio-middleware[cli]'")
    try:
        from .app import app

        app(prog_name="prio")
    except KeyboardInterrupt:  # Before a command has begun.
        sys.exit(INTERRUPTED)
