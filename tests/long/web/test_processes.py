"""Clients after a fork, and at the exit of a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from prio_middleware.sandbox import Sandbox

OPEN = """
import os
from prio_middleware.web.clients import Clients
from prio_middleware.settings import Settings

clients = Clients(Settings())
mine = clients["default"]

def works(client):
    return client.get("/products").status_code == 200

assert works(mine)
"""

FORK = f"""{OPEN}
child = os.fork()
if child == 0:
    other = clients["default"]
    assert other is not mine
    assert works(other)
    clients.close()
    assert other.is_closed
    assert not mine.is_closed
    del clients
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert works(mine)
assert clients["default"] is mine
"""

ASYNC = """
import anyio, sys
from prio_middleware.web.event_loops import AsyncClients
from prio_middleware.settings import Settings

clients = AsyncClients(Settings())

async def main():
    assert (await clients.here()["default"].get("/products")).status_code == 200

anyio.run(main, backend=sys.argv[1])
"""


def run(program: str, sandbox: Sandbox, *arguments: str) -> str:
    """Return its warnings."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    environment = {**os.environ, **sandbox.environment()}
    done = subprocess.run(command, env=environment, check=False, stderr=subprocess.PIPE, text=True, timeout=60)
    return done.stderr or f"{done.returncode}" * (done.returncode != 0)


def test_a_forked_process_opens_its_own_clients_and_leaves_its_parents_alone(sandbox: Sandbox) -> None:
    assert run(FORK, sandbox) == ""
    assert sandbox.admin.counts().token_requests == 1


def test_sync_clients_are_closed_at_exit(sandbox: Sandbox) -> None:
    assert run(OPEN, sandbox) == ""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_clients_are_closed_when_their_loop_ends(sandbox: Sandbox, backend: str) -> None:
    assert run(ASYNC, sandbox, backend) == ""
