from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from prio_middleware.status import process
from prio_middleware.status.process import this_process

FORKED = """
import json, os, time
from prio_middleware.status.process import _started, this_process

_started[os.getpid()] = 1.0
reader, writer = os.pipe()
if not os.fork():
    forked = _started[os.getpid()]
    mine = this_process()
    os.write(writer, json.dumps([mine.pid == os.getpid(), mine.started_at == forked > 1.0]).encode())
    os._exit(0)
os.close(writer)
os.wait()
print(os.read(reader, 100).decode(), this_process().started_at)
"""


def test_it_says_who_speaks() -> None:
    mine = this_process()
    assert (mine.pid, mine.host, mine.version) == (os.getpid(), socket.gethostname(), version("prio-middleware"))
    assert mine.started_at <= time.time()
    assert this_process() == mine


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_began_with_the_fork() -> None:
    said = subprocess.run([sys.executable, "-c", FORKED], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert said == "[true, true] 1.0\n"


def test_so_did_one_that_ran_no_fork_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_started", {0: 1.0})
    before = time.time()
    assert this_process().started_at >= before


def test_the_hook_notes_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_started", {os.getpid(): 1.0})
    process._forked()
    assert this_process().started_at > 1.0
