"""Cost of many accounts on one client: token requests, memory, and the steady path of a call.

    python -m benchmarks.accounts [--accounts 500] [--calls 20] [--mebibytes 4] [--microseconds 1] [--rounds 60]

1. Each account makes its calls, in a fresh interpreter: there is one token request for each, and little more memory than with
   one account that makes as many calls.
2. The transport handles a call that names no account, on a client without accounts and on one with, and a call that names
   one. Processor times are those of batches in changing order. Instructions are counted by valgrind, if it is installed, as the
   difference of two runs that differ in their number of calls: they do not depend on how busy the machine is.

Exits with 1 where a figure is over its limit.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.overhead import BASE_URL, PATH, interval, settings
from prio_middleware import AccountCredentials, token_extensions
from prio_middleware.httpx import client
from prio_middleware.transports.routes import transport_of

Batch = Callable[[int], float]

CASES = {
    "no account named, a client without accounts": "without",
    "no account named, a client with accounts in use": "beside",
    "an account named": "named",
}
FEW = 20
"""Accounts in use while instructions are counted, which takes fifty times as long. A look-up does not depend on the number."""

COUNTED = 10_000
"""Calls whose instructions are counted."""


TOKEN_LENGTH = 185
"""Characters of a token, as those of the sandbox have. Each account keeps two copies, one of them as a header."""


class Server:
    """Server that grants a token for each request, and counts them."""

    def __init__(self) -> None:
        self.token_requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return httpx.Response(200, content=b'{"products":[]}')
        self.token_requests += 1
        token = f"{self.token_requests:06}".ljust(TOKEN_LENGTH, "a")
        return httpx.Response(200, json={"access_token": token, "token_type": "Bearer", "expires_in": 3600})


def load(name: str) -> AccountCredentials:
    """Return the credentials of any account."""
    return AccountCredentials(name, f"{name}@example.com", f"s3cret-of-{name}")


def many(accounts: int, calls: int) -> tuple[int, float]:
    """Return the token requests of ``accounts`` with ``calls`` each, and the MiB by which they grow this process."""
    server = Server()
    with client(settings=settings(), accounts=load, transport=httpx.MockTransport(server)) as calling:

        def use(names: list[str]) -> None:
            for name in names:
                calling.get(PATH, extensions=token_extensions(account=name))

        use(["account-0"] * accounts * calls)
        before = _resident()
        use([f"account-{number}" for _ in range(calls) for number in range(accounts)])
        return server.token_requests, _resident() - before


def batch(case: str, accounts: int) -> Batch:
    """Return a function that makes a number of calls, and returns the seconds of processor time that they take."""
    with_accounts = case != "without"
    calling = client(settings=settings(), accounts=load if with_accounts else None, transport=httpx.MockTransport(Server()))
    handle = transport_of(calling).handle_request

    def request(account: str | None) -> httpx.Request:
        extensions = {} if account is None else token_extensions(account=account)
        return httpx.Request("GET", f"{BASE_URL}{PATH}", extensions=extensions)

    for number in range(accounts if with_accounts else 0):
        for _ in range(2):  # The steady path of an account begins with its second call.
            handle(request(f"account-{number}"))
    repeated = request(f"account-{accounts // 2}" if case == "named" else None)
    handle(repeated)

    def timed(calls: int) -> float:
        start = time.thread_time()
        for _ in range(calls):
            handle(repeated)
        return time.thread_time() - start

    return timed


def times(accounts: int, rounds: int, calls: int = 400) -> dict[str, list[float]]:
    """Return the microseconds of a call in each round, by case."""
    batches = {case: batch(case, accounts) for case in CASES.values()}
    found: dict[str, list[float]] = {case: [] for case in batches}
    gc.collect()
    gc.freeze()
    for turn in range(rounds + 1):
        for case in list(batches)[:: 1 if turn % 2 else -1]:
            seconds = batches[case](calls)
            if turn:  # The first round warms up.
                found[case].append(seconds / calls * 1e6)
    return found


def instructions(case: str) -> int | None:
    """Return the instructions of one call. Return None if valgrind is not installed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    counts = []
    for calls in (0, COUNTED):
        command = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        command += [sys.executable, "-m", "benchmarks.accounts", "--run", case, "--calls", str(calls)]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        answer = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - this file
        counts.append(int(re.findall(r"I\s+refs:\s+([\d,]+)", answer.stderr)[0].replace(",", "")))
    return (counts[1] - counts[0]) // COUNTED


def main() -> int:
    """Measure and print. Returns the exit status."""
    given = _parser().parse_args()
    if given.run == "many":
        print(*many(given.accounts, given.calls))
        return 0
    if given.run:
        timed = batch(given.run, FEW)
        gc.collect()
        gc.freeze()  # The garbage collector would look through all objects again.
        timed(given.calls)
        return 0
    command = [sys.executable, "-m", "benchmarks.accounts", "--run", "many"]
    command += ["--accounts", str(given.accounts), "--calls", str(given.calls)]
    # The C library keeps a reserve for each thread, and each fetch has a thread: that is no memory of accounts.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - this file
    requests, mebibytes = answer.stdout.split()
    grown = float(mebibytes)
    print(f"{given.accounts} accounts, {given.calls} calls each: {requests} token requests, {grown:.1f} MiB more than one")
    is_over = int(requests) != given.accounts or grown > given.mebibytes

    found = times(given.accounts, given.rounds)
    base = found["without"]
    print(f"{'':48}{'a call':>9}{'added':>10}   95 % interval{'':8}instructions")
    for label, case in CASES.items():
        added = [one - other for one, other in zip(found[case], base, strict=True)]
        low, high = interval(added) if case != "without" else (0.0, 0.0)
        counted = instructions(case)
        print(
            f"{label:48}{statistics.median(found[case]):6.1f} µs{statistics.median(added):7.2f} µs"
            f"   {low:.2f} to {high:.2f} µs{'':4}{'valgrind is not installed' if counted is None else counted:>10}",
            flush=True,
        )
        is_over |= low > (given.microseconds if case == "named" else 0.1)
    return int(is_over)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=500, help="number of accounts (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=20, help="calls of each (default: %(default)s)")
    parser.add_argument("--mebibytes", type=float, default=4, help="limit of the memory (default: %(default)s)")
    parser.add_argument("--microseconds", type=float, default=1, help="limit for naming an account (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="batches of each case (default: %(default)s)")
    parser.add_argument("--run", choices=["many", *CASES.values()], help=argparse.SUPPRESS)
    return parser


def _resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
