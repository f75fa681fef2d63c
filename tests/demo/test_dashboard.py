from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prio_middleware.sandbox import Sandbox, SandboxOptions
from prio_middleware.sandbox.sandbox_options import Listen
from scripts.demo_dashboard import LIFETIME_SECONDS, RATES, fault_script, main, run_faults, running, simulated_users
from tests.sandbox.helpers import Output, run_as_main

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_this_process() -> Sandbox:
    return Sandbox(SandboxOptions(lifetime=LIFETIME_SECONDS))


def clients_of(page: httpx.Client) -> Mapping[str, Mapping[str, Any]]:
    return {client["name"]: client for client in page.get("status.json").json()["clients"]}


def test_the_dashboard_runs_until_a_signal() -> None:
    output = Output()
    shown: list[set[str]] = []

    def look_and_interrupt() -> None:
        try:
            (url,) = re.findall(r"^    (http://127\.0\.0\.1:\d+/status/)$", output.wait(), re.MULTILINE)
            with httpx.Client(base_url=url) as page:
                shown.append(set(clients_of(page)))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=look_and_interrupt)
    thread.start()
    with contextlib.redirect_stdout(output):
        assert main([], sandbox=in_this_process()) == 0
    thread.join()
    assert shown == [set(RATES)]
    assert "prio status --watch http://127.0.0.1:" in output.getvalue()


def test_the_page_shows_the_calls_of_users() -> None:
    with (
        running(sandbox=in_this_process(), rates=dict.fromkeys(RATES, 100.0)) as (url, sandbox),
        httpx.Client(base_url=url, follow_redirects=True) as page,
    ):
        while not all(client["responses"] for client in clients_of(page).values()):
            pass
        assert page.get(url.removesuffix("status/")).url == url
        assert sandbox.admin.counts().calls > 0


class Unreachable:
    """A client whose calls all fail."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.enough = threading.Event()

    def get(self, path: str) -> None:
        self.paths.append(path)
        if len(self.paths) == 3:
            self.enough.set()
        raise ConnectionError(path)


def test_users_go_on_after_failed_calls() -> None:
    client = Unreachable()
    before = set(threading.enumerate())
    with simulated_users({"default": client}, {"default": 1000.0, "no such client": 1000.0}):
        assert len(set(threading.enumerate()) - before) == 2
        assert client.enough.wait(60)
    assert set(threading.enumerate()) <= before
    assert len(set(client.paths)) > 1


def test_the_script_goes_through_every_fault_when_it_is_due(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += timeout or 0
            return now[0] > 85

    now = [0.0]
    sandbox.admin.reset()
    run_faults(sandbox, Ended(), clock=lambda: now[0])
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [text for _, text in islice(fault_script(sandbox), 6)]
    assert lines[0] == lines[5]


def test_every_fault_of_the_script_ends(sandbox: Sandbox) -> None:
    sandbox.admin.reset()
    account = sandbox.options.accounts[2]
    script = fault_script(sandbox)

    def token_status() -> int:
        credentials = account.client_id, account.client_secret
        body = {"grant_type": "client_credentials"}
        return httpx.post(sandbox.token_url, json=body, auth=credentials, verify=sandbox.ssl_context()).status_code

    statuses = [token_status() for _ in islice(script, 6)]
    assert statuses == [200, 200, 401, 200, 503, 503]
    assert token_status() == 200


def test_a_port_that_is_taken_is_an_error_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with Listen().bind() as sock:
        port = sock.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"port {port}" in error
    assert "Choose a free port" in error


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert main([]) == 2
    error = capsys.readouterr().err
    assert "needs trustme." in error
    assert "pip install 'prio-middleware[sandbox]'" in error


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts.demo_dashboard", "--help"])
    with pytest.raises(SystemExit) as ended:
        run_as_main("scripts.demo_dashboard")
    assert ended.value.code == 0
    assert "--port" in capsys.readouterr().out
