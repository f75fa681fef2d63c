"""Which process this is."""

from __future__ import annotations

import os
import socket
import time

from .model import Process

_started: dict[int, float] = {os.getpid(): time.time()}


def this_process() -> Process:
    """This process, and since when there is one: loaded with the application, or forked from a process that had loaded it."""
    from importlib.metadata import version

    pid = os.getpid()
    return Process(pid, socket.gethostname(), _started.setdefault(pid, time.time()), version("prio-middleware"))


def _forked() -> None:
    _started[os.getpid()] = time.time()


# Not every platform forks.
getattr(os, "register_at_fork", dict)(after_in_child=_forked)
