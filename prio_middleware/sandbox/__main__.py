"""The sandbox as a program: `python -m prio_middleware.sandbox`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from ..errors import ConfigurationError
from .admin import ADMIN_KEY
from .api import ADMIN
from .sandbox_options import Account, SandboxOptions, default_accounts
from .server import Sandbox, run_commands


@contextlib.contextmanager
def until_signalled() -> Generator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set. Restore the earlier handlers afterwards."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SECRET = "PRIO_CLIENT_SECRET"

TICK = 0.5  # Seconds between checks for a signal: some platforms do not interrupt a wait.


def main(arguments: Sequence[str], environment: Mapping[str, str], *, tick: float = TICK) -> int:
    """Serve until SIGINT or SIGTERM. Return the exit status: 2 if it cannot serve.

    Args:
        arguments: of the command line.
        environment: the environment variables. The first account uses ``PRIO_CLIENT_ID`` and ``PRIO_CLIENT_SECRET``.
        tick: seconds between checks for a signal.
    """
    asked = _parser().parse_args(arguments)
    if asked.control:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C too, and ends this process
        run_commands(sys.stdin.buffer, sys.stdout.buffer)
        return 0
    with until_signalled() as ended:
        try:
            sandbox = Sandbox(_options(asked, environment), host=asked.host, port=asked.port, tls=asked.tls).start()
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        try:
            settings = _describe(sandbox, withheld=frozenset({_SECRET} & environment.keys()))
            if asked.write is not None:
                problem = _write_new(Path(asked.write), settings)
                if problem:
                    sys.stderr.write(f"{problem}\n")
                    return 2
                settings = f"# A Prio API on this machine, until Ctrl-C. {asked.write} has its settings.\n"
            sys.stdout.write(settings)
            sys.stdout.flush()
            while not ended.wait(tick):
                pass
        finally:
            sandbox.stop()
    return 0


def _write_new(path: Path, text: str) -> str | None:
    """Write a file that only its owner may read: it holds a secret. Return the problem, for example that it exists."""
    try:
        with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}. Name a new file: an old one is never replaced."
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m prio_middleware.sandbox", description="Serve a Prio API on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="a port; 0 finds one that is free (default: %(default)s)")
    parser.add_argument("--lifetime", type=float, default=3600, help="lifetime of a token in seconds (default: %(default)s)")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="never block a client")
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="plain HTTP")
    parser.add_argument("--write", metavar="FILE", help="write the settings to a new file, for PRIO_ENV_FILE")
    parser.add_argument("--control", action="store_true", help="read commands from standard input, for Sandbox(process=True)")
    return parser


def _options(asked: argparse.Namespace, environment: Mapping[str, str]) -> SandboxOptions:
    # Other users can read a command line, so the secret is random or ``PRIO_CLIENT_SECRET``.
    account, *others = default_accounts()
    account = Account(environment.get("PRIO_CLIENT_ID", account.client_id), environment.get(_SECRET, account.client_secret))
    return SandboxOptions(accounts=(account, *others), lifetime=asked.lifetime, limits=asked.limits)


def _describe(sandbox: Sandbox, withheld: frozenset[str]) -> str:
    """Return the settings for a shell, or for a file that ``PRIO_ENV_FILE`` names.

    A secret from the environment may be a real one, and is left out.
    """
    settings = [
        f"# {name} is the one in the sandbox's environment." if name in withheld else f"{name}={shlex.quote(value)}"
        for name, value in sandbox.environment().items()
    ]
    trust = f"--cacert {shlex.quote(str(sandbox.ca_file))} " if sandbox.ca_file else ""
    revoke = f"curl -X POST {trust}-H '{ADMIN_KEY}: {sandbox.admin_key}' {sandbox.url}{ADMIN}revoke"
    lines = ["# A Prio API on this machine, until Ctrl-C. Its settings:", *settings, "# Revoke every token:", f"# {revoke}"]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
