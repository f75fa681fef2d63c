"""The ``prio`` command: checks a client's settings and connection, makes calls, shows tokens. Needs the extra ``cli``."""

from __future__ import annotations

import importlib.util
import logging
import sys

NEEDED = ("typer", "rich")  # Packages of the extra ``cli``.
INTERRUPTED = 130  # Exit status after Ctrl-C: 128 + SIGINT, as in shells.


def main() -> None:
    """Run the command line, and exit.

    Raises:
        SystemExit: always. 0: success; 1: failure; 2: invalid command line or settings; 130: Ctrl-C; 141: the reader of
            the output closed the pipe. ``prio request`` exits with 3, 4 and 5 for responses 3xx, 4xx and 5xx.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"The prio command needs {' and '.join(missing)}. Install it: pip install 'prio-middleware[cli]'")
    # The commands say themselves what went wrong: the library's warnings would say it twice.
    logging.getLogger("prio_middleware").addHandler(logging.NullHandler())
    try:
        from .commands import app

        app(prog_name="prio")
    except KeyboardInterrupt:  # Before a command has started.
        sys.exit(INTERRUPTED)
