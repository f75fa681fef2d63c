from __future__ import annotations

import os
import socket
import time
from importlib.metadata import version

import pytest

from prio_middleware.web.status.report import this_process


def test_the_process_is_named() -> None:
    mine = this_process()
    assert (mine.pid, mine.host, mine.version) == (os.getpid(), socket.gethostname(), version("prio-middleware"))
    assert mine.started_at <= time.time()
    assert this_process() == mine


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_began_with_the_fork() -> None:
    parent, before = this_process(), time.time()
    child = os.fork()
    if child == 0:
        try:
            forked = time.time()
            mine = this_process()
            os._exit(not (mine.pid == os.getpid() != parent.pid and before <= mine.started_at <= forked))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert this_process() == parent


def test_a_forked_process_without_fork_hooks_began_with_the_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = -time.time_ns()
    monkeypatch.setattr(os, "getpid", lambda: unknown)
    before = time.time()
    mine = this_process()
    assert mine.pid == unknown
    assert mine.started_at >= before
    assert this_process() == mine
