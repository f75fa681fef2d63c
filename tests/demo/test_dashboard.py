from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from importlib import util
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prio_middleware.build import forget
from prio_middleware.clients import Clients
from prio_middleware.demo import business, dashboard
from prio_middleware.demo.business import Business, Customers
from prio_middleware.demo.dashboard import RATES, main, running, settings_for
from prio_middleware.demo.troubles import troubles
from prio_middleware.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "prio_middleware.demo.dashboard"]


@pytest.fixture(autouse=True)
def _no_pipelines_of_other_tests() -> Iterator[None]:
    forget()
    yield
    forget()


def clients_of(url: str) -> dict[str, dict[str, Any]]:
    return {client["name"]: client for client in httpx.get(f"{url}status.json").json()["clients"]}


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_a_signal_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C ends it" not in told:
            told += process.stdout.readline()
        url = re.findall(r"^    (http://127\.0\.0\.1:\d+/status/)$", told, re.MULTILINE)[0]
        assert set(clients_of(url)) == set(RATES)
        os.killpg(process.pid, number)
        rest = process.stdout.read()
        assert process.wait() == 0
    assert rest == "\n"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_its_exit_status_is_that_of_a_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: Sandbox, ended: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert ended.wait(30)

    monkeypatch.setattr(dashboard, "_trouble", interrupt)
    assert main([]) == 0
    assert "prio status --watch http://127.0.0.1:" in capsys.readouterr().out


def test_the_page_shows_what_the_customers_do() -> None:
    with running() as (url, sandbox):
        while not all(client["responses"] for client in clients_of(url).values()):
            pass
        assert httpx.get(url.removesuffix("status/"), follow_redirects=True).url == url
        assert sandbox.admin.counts().calls > 0


def test_customers_go_on_whatever_becomes_of_their_calls(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.admin.reset()
    sandbox.admin.configure(refuse_credentials=True)
    monkeypatch.setattr(business, "PATHS", ("/products",))
    clients = Clients(settings_for(sandbox))
    with Business(clients, [Customers("default", 1000.0), Customers("nobody", 1000.0)]):
        while not sandbox.admin.counts().token_requests:
            pass
        sandbox.admin.configure(refuse_credentials=False)
        sandbox.admin.reset_counts()
    names = {thread.name for thread in threading.enumerate()}
    assert not any("_work" in name for name in names)
    clients.close()


def test_every_trouble_happens_to_a_sandbox(sandbox: Sandbox) -> None:
    sandbox.admin.reset()
    told = list(islice(troubles(sandbox.options), 6))
    assert told[0] == told[5]
    clients = Clients(settings_for(sandbox))
    assert {clients[name].get("/products").status_code for name in clients} == {200}
    for trouble in told[:5]:
        trouble.happen(sandbox.admin)
    assert {clients[name].get("/products").status_code for name in clients} == {200}
    assert sandbox.admin.counts().token_requests > len(clients)
    clients.close()


def test_troubles_come_one_after_another(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += timeout or 0
            if now[0] > 30:
                self.set()
            return self.is_set()

    now = [0.0]
    dashboard._trouble(sandbox, Ended(), clock=lambda: now[0])
    assert [line[10:] for line in capsys.readouterr().out.splitlines()] == [
        "The default client's tokens are revoked.",
        "Reseller's secret is changed, and nobody told the client.",
    ]


def test_a_port_that_is_taken_is_an_error_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with running() as (url, _):
        assert main(["--port", str(httpx.URL(url).port)]) == 2
    assert "Choose a port that is free" in capsys.readouterr().err


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(util, "find_spec", {"uvicorn": object()}.get)
    assert main([]) == 2
    assert capsys.readouterr().err == "This needs trustme. Install it: pip install 'prio-middleware[sandbox]'\n"
