"""A server may fork right after the warm-up."""

from __future__ import annotations

import threading

import pytest

from prio_middleware import Settings, build
from prio_middleware.clients.warm_up import fetch_tokens
from prio_middleware.sandbox import Sandbox


def test_no_thread_is_started_that_a_fork_could_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(process=True) as sandbox:
        settings = Settings.from_values(
            base_url=sandbox.base_url, client_id=sandbox.client_id, client_secret=sandbox.client_secret, ca_file=sandbox.ca_file
        )
        build.forget()

        def refuse(thread: threading.Thread) -> None:
            raise AssertionError("a thread was started")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert fetch_tokens(settings) is None

        assert sandbox.admin.counts().token_requests == 1
