"""Fetches in real processes: one that exits, one that forks, and one that leaves its event loop behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    # Without COVERAGE_*: the measurement that coverage starts in a child delays its end.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_exit_of_the_process_does_not_wait_for_a_fetch() -> None:
    ended = run_script("""
        import threading
        from prio_middleware import TokenError
        from tests.oauth.helpers import provider
        from prio_middleware.oauth.access_token import DEFAULT_OPTIONS

        def send(request):
            threading.Event().wait(60)

        try:
            provider().get_token(DEFAULT_OPTIONS, None, send, max_wait=0.05)
        except TokenError:
            print([thread.name for thread in threading.enumerate()][1:], flush=True)
    """)

    assert ended.stdout == "['prio_middleware.fetch']\n", ended.stderr
    assert ended.returncode == 0


@pytest.mark.pitfall(id="fork-during-fetch")
def test_a_child_forked_while_a_fetch_is_under_way_does_not_wait_for_it() -> None:
    script = """
        import os, threading, warnings
        from tests.oauth.helpers import Gate, SlowServer, provider
        from prio_middleware.oauth.access_token import DEFAULT_OPTIONS

        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads: that is the point
        tokens, server = provider(), SlowServer()
        leader = threading.Thread(target=tokens.get_token, args=(DEFAULT_OPTIONS, None, server))
        leader.start()
        server.arrived.wait()
        child = os.fork()
        if child == 0:
            server.gate = Gate()
            server.gate.set()
            tokens.get_token(DEFAULT_OPTIONS, None, server)
            os._exit(len(server.requests))
        _, status = os.waitpid(child, 0)
        server.gate.set()
        leader.join()
        print("child asked", os.waitstatus_to_exitcode(status))
    """
    ended = run_script(script)

    assert ended.stdout == "child asked 1\n", ended.stderr


def test_a_leader_that_is_left_behind_does_not_keep_the_interpreter_from_ending() -> None:
    ended = run_script("""
        import asyncio

        from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
        from tests.oauth.helpers import token
        from tests.oauth.shared.fleet import Fleet

        async def send(request):
            leading.set()
            await asyncio.sleep(1000)

        async def main():
            global task
            task = asyncio.create_task(process.tokens.aget_token(DEFAULT_OPTIONS, None, send))
            await leading.wait()

        process, leading = Fleet(token(1000)).process(), asyncio.Event()
        asyncio.new_event_loop().run_until_complete(main())
    """)

    assert ended.returncode == 0, ended.stderr
