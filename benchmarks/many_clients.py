"""Time and memory of many clients: opened directly, and by an application that starts with them.

    python -m benchmarks.many_clients [--clients 500] [--seconds 1] [--mebibytes 30]

Each case runs in a fresh interpreter, after one client was opened there. The applications are ASGI and WSGI applications with
the drop-ins. Exits with 1 where a figure is over its limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

MEASURED = """
import asyncio, gc, pathlib, sys, time
from prio_middleware import Settings
from prio_middleware.asgi import PrioMiddleware as ASGIMiddleware
from prio_middleware.httpx import client
from prio_middleware.wsgi import PrioMiddleware as WSGIMiddleware

def settings(count):
    common = {"preset": "rfc6749", "base_url": "https://api.example", "token_url": "https://api.example/token"}
    return Settings.from_values(clients={
        f"tenant_{number}": {**common, "client_id": f"tenant-{number}", "client_secret": f"s3cret-{number}"}
        for number in range(count)
    })

def resident():
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20

async def start(app):
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    async def receive():
        return next(messages)
    async def send(message):
        assert message["type"].endswith("complete"), message
    async def inner(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    await app(inner)({"type": "lifespan"}, receive, send)

CASES = {
    "clients": lambda every: [client(name, settings=every) for name in every.clients],
    "asgi": lambda every: asyncio.run(start(lambda inner: ASGIMiddleware(inner, every))),
    "wsgi": lambda every: WSGIMiddleware(lambda environ, start: [], every),
}

case, count = CASES[sys.argv[1]], int(sys.argv[2])
kept = [case(settings(1))]
every = settings(count)
before, started = resident(), time.perf_counter()
kept.append(case(every))
print(time.perf_counter() - started, resident() - before)
"""


def measure(case: str, count: int) -> tuple[float, float]:
    """Return the seconds and the MiB that ``count`` clients take in a fresh interpreter."""
    command = [sys.executable, "-c", MEASURED, case, str(count)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this program
    seconds, mebibytes = answer.stdout.split()
    return float(seconds), float(mebibytes)


def main() -> int:
    """Measure and print. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500, help="number of clients (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1, help="limit of the time (default: %(default)s)")
    parser.add_argument("--mebibytes", type=float, default=30, help="limit of the memory (default: %(default)s)")
    given = parser.parse_args()
    is_over = False
    for case in ("clients", "asgi", "wsgi"):
        seconds, mebibytes = measure(case, given.clients)
        is_over |= seconds > given.seconds or mebibytes > given.mebibytes
        print(f"{given.clients} clients, {case:8}{seconds:8.2f} s{mebibytes:8.1f} MiB", flush=True)
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
