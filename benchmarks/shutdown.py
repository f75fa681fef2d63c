"""Time that a server takes to exit if SIGTERM comes while a call waits for its token: ``python -m benchmarks.shutdown``.

The token endpoint is silent. Each server runs twice: as it is by default, and with its graceful timeout set to 2 s. Without a
token, the call ends with its fetch, at ``token_deadline`` (here 5 s). Servers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path

from prio_middleware.sandbox import Sandbox, SandboxOptions

APPLICATIONS = """
from fastapi import FastAPI

from prio_middleware.fastapi import PrioClient, PrioMiddleware as ForASGI
from prio_middleware.wsgi import CLIENT, PrioMiddleware as ForWSGI

asgi = FastAPI()
asgi.add_middleware(ForASGI)


@asgi.get("/products")
async def products(prio: PrioClient):
    return (await prio.get("/products")).json()


def shop(environ, start_response):
    answer = environ[CLIENT].get("/products")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [answer.content]


def __getattr__(name):
    return ForWSGI(shop)
"""

SERVERS: dict[str, tuple[list[str], list[str]]] = {
    "uvicorn": (
        ["uvicorn", "--no-access-log", "--host", "127.0.0.1", "--port", "{port}", "applications:asgi"],
        ["--timeout-graceful-shutdown", "{limit}"],
    ),
    "hypercorn": (["hypercorn", "--bind", "127.0.0.1:{port}", "applications:asgi"], ["--graceful-timeout", "{limit}"]),
    "gunicorn": (
        ["gunicorn", "--worker-class", "gthread", "--no-control-socket", "--bind", "127.0.0.1:{port}", "applications:wsgi"],
        ["--graceful-timeout", "{limit}"],
    ),
    "granian": (
        ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "applications:asgi"],
        ["--workers-kill-timeout", "{limit}"],
    ),
}
"""Each server's command, and the option that bounds its wait for requests."""

LIMIT = 2
PATIENCE = 90.0
"""Seconds after which a server is killed."""


@contextlib.contextmanager
def running(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run a server until it exits, or for ``PATIENCE`` at most."""
    with subprocess.Popen(  # noqa: S603 - every argument is from this file
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def seconds_to_exit(name: str, sandbox: Sandbox, deadline: float, options: Sequence[str], folder: Path) -> float:
    """Return the seconds from SIGTERM to the exit of the server called ``name``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command, _ = SERVERS[name]
    arguments = [part.format(port=port, limit=LIMIT) for part in (*command[:1], *options, *command[1:])]
    environment = {**sandbox.environment(), "PRIO_TOKEN_DEADLINE": str(deadline), "PRIO_TOKEN_TIMEOUT": str(deadline)}
    with running(arguments, environment, folder) as process:
        _wait_until_it_listens(port, process)
        calling = threading.Thread(target=_call, args=(port,))
        calling.start()
        until = time.monotonic() + PATIENCE
        while sandbox.admin.counts().token_requests == 0 and time.monotonic() < until:
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        took = time.monotonic() - began
        calling.join(PATIENCE)
    return took


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit("The server did not start.")


def _call(port: int) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(b"GET /products HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        connection.recv(65536)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shutdown", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deadline", type=float, default=5.0, help="token_deadline, in seconds (default: %(default)s)")
    given = parser.parse_args(arguments)
    print(f"{'server':<10}{'by default':>12}{f'limit of {LIMIT} s':>14}")
    for name, (_, limited) in SERVERS.items():
        if find_spec(name) is None:
            print(f"{name:<10}not installed")
            continue
        took: list[float] = []
        for options in ([], limited):
            with tempfile.TemporaryDirectory() as made, Sandbox(SandboxOptions(limits=False), process=True) as sandbox:
                folder = Path(made)
                (folder / "applications.py").write_text(APPLICATIONS)
                sandbox.admin.configure(token_delay=120)
                took.append(seconds_to_exit(name, sandbox, given.deadline, options, folder))
                sandbox.admin.release()
        print(f"{name:<10}{took[0]:>10.1f} s{took[1]:>12.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
