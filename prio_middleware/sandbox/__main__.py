"""``python -m prio_middleware.sandbox``: serve the sandbox until Ctrl-C, and print the settings to reach it."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence

from ..errors import ConfigurationError
from .accounts import Account, default_accounts
from .admin_http import ADMIN_KEY
from .gate import ADMIN
from .options import SandboxOptions
from .process import obey
from .server import Sandbox
from .signals import until_signalled

_SECRET = "PRIO_CLIENT_SECRET"
_TICK = 0.5  # seconds: some platforms do not interrupt a wait


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status: 2 where it cannot."""
    asked = _parser().parse_args(arguments)
    if asked.control:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and that ends this process
        obey(sys.stdin, sys.stdout)
        return 0
    with until_signalled() as ended:
        try:
            sandbox = Sandbox(_options(asked, environment), host=asked.host, port=asked.port, tls=asked.tls).start()
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        try:
            sys.stdout.write(_describe(sandbox, withheld=frozenset({_SECRET} & environment.keys())))
            sys.stdout.flush()
            while not ended.wait(_TICK):
                pass
        finally:
            sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m prio_middleware.sandbox", description="Serve a Prio API on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="a port; 0 finds one that is free (default: %(default)s)")
    parser.add_argument("--lifetime", type=float, default=3600, help="seconds that a token is good for (default: %(default)s)")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="never block a caller")
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="plain HTTP")
    parser.add_argument("--control", action="store_true", help="take orders on standard input, for Sandbox(process=True)")
    return parser


def _options(asked: argparse.Namespace, environment: Mapping[str, str]) -> SandboxOptions:
    """No secret comes from the command line, where everybody can read it: it is random, or ``PRIO_CLIENT_SECRET``."""
    account, *others = default_accounts()
    account = Account(
        environment.get("PRIO_CLIENT_ID", account.client_id),
        environment.get(_SECRET, account.client_secret),
    )
    return SandboxOptions(accounts=(account, *others), lifetime=asked.lifetime, limits=asked.limits)


def _describe(sandbox: Sandbox, withheld: frozenset[str]) -> str:
    """The settings, as a shell and a ``.env`` file take them. A secret that was given may be a real one: it is withheld."""
    settings = [
        f"# {name} is that of the sandbox's environment." if name in withheld else f"{name}={shlex.quote(value)}"
        for name, value in sandbox.environment().items()
    ]
    trust = f"--cacert {shlex.quote(str(sandbox.ca_file))} " if sandbox.ca_file else ""
    revoke = f"curl -X POST {trust}-H '{ADMIN_KEY}: {sandbox.admin_key}' {sandbox.url}{ADMIN}revoke"
    lines = ["# A Prio API on this machine, until Ctrl-C. Its settings:", *settings, "# Revoke every token:", f"# {revoke}"]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
