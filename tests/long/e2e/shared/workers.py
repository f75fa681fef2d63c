"""Real processes that share tokens through a real server."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prio_middleware.sandbox import Sandbox
from tests.redis_servers import Server, until

ROOT = Path(__file__).parents[4]
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
EXPIRING = {"expires_in": "1"}
"""Settings of a sandbox: its clients take tokens for expired after a second, and slow calls do not find them expired."""


def settings(sandbox: Sandbox, server: Server, /, lease: float = 10.0, **changes: Any) -> dict[str, Any]:
    account = sandbox.options.accounts[0]
    return {
        "name": "shop",
        "base_url": sandbox.base_url,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "ca_file": str(sandbox.ca_file),
        "token_store": {"url": server.url, "encryption_key": KEY, "lease": lease},
        **changes,
    }


class Worker:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def tell(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process has died"
        found: dict[str, Any] = json.loads(line)
        return found

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        self.tell({"do": what, **arguments})
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Workers:
    """Processes that are started once, because that takes long, and replaced when they die."""

    def __init__(self) -> None:
        self.members: list[Worker] = []

    def ready(self, number: int, values: dict[str, Any], clocks: Iterable[float] = ()) -> list[Worker]:
        """Return ``number`` workers in the state of a start with these settings."""
        self.members = [member for member in self.members if member.process.poll() is None]
        self.members += [Worker() for _ in range(number - len(self.members))]
        members = self.members[:number]
        for member, clock in zip(members, [*clocks, *[0.0] * number], strict=False):
            member.tell({"do": "begin", "settings": values, "clock": clock})
        for member in members:
            member.answer()
        return members

    def close(self) -> None:
        for member in self.members:
            member.kill()


def all_do(members: list[Worker], what: str, **arguments: Any) -> list[dict[str, Any]]:
    """Send a command to all workers, then wait for all answers."""
    for member in members:
        member.tell({"do": what, **arguments})
    with ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(Worker.answer, members))


@contextlib.contextmanager
def under_load(members: list[Worker], folder: Path, *, threads: int, pause: float = 0.02) -> Generator[list[dict[str, Any]]]:
    """Let each worker make calls during the ``with`` statement. The list has their answers after it."""
    over, answers = folder / "over", list[dict[str, Any]]()
    for member in members:
        member.tell({"do": "call", "threads": threads, "pause": pause, "until": str(over)})
    try:
        yield answers
    finally:
        over.touch()
        answers += [member.answer() for member in members]


def share_a_lasting_token(members: list[Worker], sandbox: Sandbox) -> None:
    """Wait until all workers use one token that lasts, instead of those of before."""
    sandbox.admin.configure(expires_in="3600")

    def all_last() -> bool:
        all_do(members, "call")
        return all((member.do("report")["expires_in"] or 0) > 1000 for member in members)

    until(all_last, "all have a token that lasts")


def statuses(answers: Iterable[dict[str, Any]]) -> Counter[str]:
    return sum((Counter(answer["statuses"]) for answer in answers), Counter[str]())
