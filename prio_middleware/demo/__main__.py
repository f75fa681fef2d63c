"""``python -m prio_middleware.demo``: play every scenario. Exit status 0: all as expected; 1: not all; 2: it cannot run."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..sandbox.server import require_packages
from .fixture import Fixture

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from .screen import Screen

OTHER_FILES, INTERRUPTED = 100, 130  # Open files beside the connections; exit status of a program that Ctrl-C ended.


def main(arguments: Sequence[str]) -> int:
    """Play the demo. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m prio_middleware.demo", description="Play scenarios against a sandbox.")
    parser.add_argument("--quick", action="store_true", help="make a few calls instead of thousands")
    number = 80 if parser.parse_args(arguments).quick else 1000
    try:
        require_packages("The demo", ("rich", "httpx2", "trustme", "uvicorn"), "cli,httpx2,sandbox")
        raise_file_limit(number + OTHER_FILES)
        logging.getLogger("prio_middleware").addHandler(logging.NullHandler())
        from rich.console import Console

        from .scenarios import SCENARIOS
        from .screen import Screen

        met = play(SCENARIOS, number, Screen(Console(markup=False, emoji=False, highlight=False)))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    return 0 if met else 1


def raise_file_limit(number: int) -> None:
    """Raise this process's limit on open files, which counts connections, to ``number``, or else ConfigurationError."""
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if soft != resource.RLIM_INFINITY and soft < number:
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    except ValueError as error:
        raise ConfigurationError(f"The demo needs {number:,} open files; the limit is {soft:,}: ulimit -n.") from error


def play(scenarios: Sequence[Callable[[Fixture], None]], number: int, screen: Screen, sandbox: Sandbox | None = None) -> bool:
    """Play ``scenarios``, with ``number`` calls in each large one. Return True if every expectation was met."""
    from ..sandbox import Sandbox
    from .trace import slow_call

    started = time.perf_counter()
    screen.heading("prio_middleware: httpx clients that manage their own OAuth 2.0 tokens.")
    screen.write("An embedded Prio API expires, revokes and rejects tokens over real TLS, and counts.", margin="")
    with sandbox or Sandbox(process=True) as running:  # a process has its own interpreter lock and limit on open files
        fixture = Fixture(running, screen, number)
        for scenario in scenarios:
            scenario(fixture)
        screen.summary(fixture.scenes)
        screen.heading("Where the time went")
        screen.write("One call with a revoked token, while the token endpoint fails once: most of the time is the backoff.")
        screen.trace(slow_call(fixture))
    met = [scene.met(what) for scene in fixture.scenes for what in scene.expected]
    verdict = f"{sum(met)} of {len(met)} expectations met, in {time.perf_counter() - started:.1f} s."
    screen.heading(verdict, "green" if all(met) else "bold red")
    screen.write("Next: `make test` runs every proof; README.md starts your own client.", margin="")
    return all(met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
