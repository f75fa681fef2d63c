"""A server may fork right after the warm-up."""

from __future__ import annotations

import threading

import pytest

from prio_middleware import Settings
from prio_middleware.sandbox import Sandbox
from prio_middleware.web.clients import fetch_tokens


def test_no_thread_is_started_that_a_fork_could_cut_short(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, start, started = threading.current_thread(), threading.Thread.start, list[threading.Thread]()

    def start_and_note(thread: threading.Thread) -> None:
        if threading.current_thread() is mine:  # Not one of the sandbox's own.
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_and_note)
    assert fetch_tokens(settings) is None
    assert started == []
    assert sandbox.admin.counts().token_requests == 2
