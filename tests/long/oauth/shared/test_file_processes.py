"""Short processes that share a token through a file: how many token requests they make, and what a killed one leaves."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from prio_middleware.oauth.shared.file_store import FileStore
from prio_middleware.oauth.shared.store import StoreEntry
from prio_middleware.sandbox import Sandbox

RUNS, AT_ONCE, KILLS = 100, 8, 40

CALLS = """
import os, sys
import prio_middleware.build
from prio_middleware.httpx import client

def wait():
    return os.waitstatus_to_exitcode(os.wait()[1])

statuses, running = [], 0
for _ in range(int(sys.argv[1])):
    if running == int(sys.argv[2]):
        statuses.append(wait())
        running -= 1
    running += 1
    if os.fork() == 0:  # It has made no client, so it knows no token.
        with client() as prio:
            os._exit(prio.get("/products").status_code != 200)
statuses += [wait() for _ in range(running)]
sys.exit(sum(map(bool, statuses)))
"""

WRITE = """
import sys
from pathlib import Path
from prio_middleware.oauth.shared.file_store import FileStore
from prio_middleware.oauth.shared.store import Lease, StoreEntry
store, prefix, number = FileStore(Path(sys.argv[1])), sys.argv[2], 0
while True:
    name, number = f"{prefix}-{number}", number + 1
    lease = Lease(name, "fetch", 10.0)
    store.acquire_lease(name, StoreEntry(), lease)
    assert store.publish_token(name, lease, "1" * 32, b"sealed", 3600.0) is True
    print(name, flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    key = tmp_path / "store.key"
    key.write_text(Fernet.generate_key().decode())
    key.chmod(0o600)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PRIO_", "COVERAGE_"))},
        "PRIO_TOKEN_STORE__URL": f"file://{tmp_path}/state/tokens",
        "PRIO_TOKEN_STORE__ENCRYPTION_KEY_FILE": str(key),
    }


@pytest.mark.pitfall(id="short-processes")
def test_a_hundred_processes_make_one_token_request(environment: dict[str, str]) -> None:
    with Sandbox() as sandbox:
        command = [sys.executable, "-c", CALLS, str(RUNS), str(AT_ONCE)]
        own = {**environment, **sandbox.environment()}
        ended = subprocess.run(command, env=own, capture_output=True, text=True, timeout=110, check=False)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert sandbox.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="short-processes")
def test_commands_at_once_make_one_token_request_and_one_after_a_revocation(environment: dict[str, str]) -> None:
    def run(_: int) -> int:
        command = [sys.executable, "-m", "prio_middleware.cli", "request", "GET", "/products"]
        return subprocess.run(command, env=own, capture_output=True, timeout=110, check=False).returncode

    with Sandbox() as sandbox, ThreadPoolExecutor(AT_ONCE) as threads:
        own = {**environment, **sandbox.environment()}
        assert list(threads.map(run, range(AT_ONCE))) == [0] * AT_ONCE
        assert sandbox.admin.counts().token_requests == 1
        sandbox.admin.revoke()
        assert [run(number) for number in range(2)] == [0, 0]
        assert sandbox.admin.counts().token_requests == 2


@pytest.mark.pitfall(id="short-processes")
def test_a_killed_process_costs_no_token_but_its_own(tmp_path: Path) -> None:
    path, draw, published = tmp_path / "tokens", random.Random(1), list[str]()
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path), str(kill)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(draw.random() / 50)
        process.kill()
        rest, problem = process.communicate()
        assert problem == ""
        published += [first.strip(), *rest.split()]
    store = FileStore(path)
    entries = {name: store.drop_and_read(name, {}) for name in published}

    assert len(published) > KILLS
    assert {name for name, entry in entries.items() if not isinstance(entry, StoreEntry) or entry.record is None} == set()
