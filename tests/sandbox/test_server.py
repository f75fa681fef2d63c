from __future__ import annotations

import os
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox import Clock, Sandbox, SandboxOptions
from prio_middleware.sandbox.sandbox_options import Certificate

from .helpers import CLIENT_CREDENTIALS, basic, bearer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(limits=False)) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    sandbox.admin.reset()
    with open_client(sandbox) as client:
        yield client


def open_client(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(verify=sandbox.ssl_context(), base_url=sandbox.base_url)


def ask(client: httpx.Client, sandbox: Sandbox) -> httpx.Response:
    headers = basic(sandbox.client_id, sandbox.client_secret)
    return client.post(sandbox.token_url, json=CLIENT_CREDENTIALS, headers=headers)


def test_a_token_and_a_call_over_tls(client: httpx.Client, sandbox: Sandbox) -> None:
    token = ask(client, sandbox).json()["access_token"]

    assert client.get("/products", headers=bearer(token)).status_code == 200
    assert sandbox.admin.counts().calls_by_status == {200: 1}


@pytest.mark.parametrize(("host", "tls"), [("::1", True), ("localhost", False)])
def test_other_loopback_addresses(host: str, tls: bool) -> None:
    with Sandbox(host=host, tls=tls) as sandbox:
        response = httpx.get(f"{sandbox.base_url}/system/ping", verify=sandbox.ssl_context())

        assert response.status_code == 200
        assert sandbox.url.startswith("https://" if tls else "http://")
        assert urlsplit(sandbox.url).hostname == host
        assert (sandbox.ca_file is None) is not tls
        assert sandbox.environment().get("PRIO_LOOPBACK_HTTP_HOSTS") == (None if tls else host)


def test_the_addresses_and_settings_fit_together(sandbox: Sandbox) -> None:
    assert sandbox.base_url == f"{sandbox.url}/v3.8/distributor"
    assert sandbox.token_url == f"{sandbox.base_url}/oauth2/token"
    assert sandbox.environment() == {
        "PRIO_BASE_URL": sandbox.base_url,
        "PRIO_CLIENT_ID": sandbox.client_id,
        "PRIO_CLIENT_SECRET": sandbox.client_secret,
        "PRIO_CA_FILE": str(sandbox.ca_file),
    }


def test_the_authority_is_a_file_while_the_sandbox_runs() -> None:
    with Sandbox() as sandbox:
        file = sandbox.ca_file
        assert isinstance(file, Path)
        context = ssl.create_default_context(cafile=file)
        assert httpx.get(f"{sandbox.base_url}/system/ping", verify=context).status_code == 200

    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("certificate", "message"),
    [("expired", "expired"), ("foreign", "self-signed|self signed|unable to get local issuer"), ("wrong_host", "mismatch")],
)
def test_invalid_certificates_are_not_accepted(certificate: Certificate, message: str) -> None:
    with Sandbox(certificate=certificate) as sandbox, pytest.raises(httpx.ConnectError, match=message):
        httpx.get(f"{sandbox.base_url}/system/ping", verify=sandbox.ssl_context())


def test_the_authority_is_not_trusted_by_default(sandbox: Sandbox) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.base_url}/system/ping")


def test_a_connection_that_is_dropped(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.admin.fail_api("drop")

    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/system/ping")
    assert client.get("/system/ping").status_code == 200
    assert [seen.status for seen in sandbox.admin.requests()] == [None, 200]


def test_an_answer_that_is_cut_short(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.admin.fail_tokens("truncated")

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        ask(client, sandbox)
    assert ask(client, sandbox).status_code == 200


def test_an_answer_that_does_not_come(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.admin.fail_api("stall")

    with pytest.raises(httpx.ReadTimeout):
        client.get("/system/ping", timeout=httpx.Timeout(10, read=0.1))
    sandbox.admin.release()
    assert client.get("/system/ping").status_code == 200


def test_a_stall_that_is_released_ends_without_an_answer(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.admin.fail_tokens("stall")
    outcome: list[Exception] = []

    def stalled() -> None:
        try:
            ask(client, sandbox)
        except httpx.RemoteProtocolError as failure:
            outcome.append(failure)

    thread = threading.Thread(target=stalled)
    thread.start()
    while thread.is_alive():
        sandbox.admin.release()
        thread.join(0.01)

    assert len(outcome) == 1


def test_a_bomb_is_small_on_the_wire(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.admin.fail_tokens("gzip_bomb", size=2 * 1024 * 1024)

    with client.stream("POST", sandbox.token_url) as response:
        assert int(response.headers["content-length"]) < 5000


def test_two_sandboxes_know_nothing_of_each_other(client: httpx.Client, sandbox: Sandbox) -> None:
    token = ask(client, sandbox).json()["access_token"]
    with Sandbox() as foreign:
        headers = {**bearer(token), "App-Name": "shop"}
        response = httpx.get(f"{foreign.base_url}/products", headers=headers, verify=foreign.ssl_context())
        seen = foreign.admin.requests()[0]

    assert response.status_code == 400
    assert (seen.authorization, seen.app_headers) == (f"Bearer {token}", {"app-name": "shop"})
    assert sandbox.admin.counts().calls == 0


def serving() -> int:
    """Return the number of threads that serve."""
    return sum(thread.name == "prio-sandbox" for thread in threading.enumerate())


def test_a_stop_does_not_wait_for_open_connections(caplog: pytest.LogCaptureFixture) -> None:
    before = serving()
    with Sandbox() as sandbox, open_client(sandbox) as client:
        silent = socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port or 0))
        sandbox.admin.fail_api("endless_refusal", size=2**30, path="/products")
        sandbox.admin.fail_api("stall", path="/system")
        unread = client.send(client.build_request("GET", "/products"), stream=True)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/system/ping", timeout=httpx.Timeout(10, read=0.1))
        client.get("/orders")
        sandbox.stop()
        sandbox.stop()
        silent.close()
        unread.close()

    assert serving() == before
    assert caplog.messages == []


class Heard(Clock):
    """A clock that says when it was read for the first time: as soon as a request arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()

    def __call__(self) -> float:
        self.read.set()
        return super().__call__()


def test_an_answer_on_its_way_is_finished_at_the_stop() -> None:
    answers: list[httpx.Response] = []
    clock = Heard()
    with Sandbox(clock=clock) as stopping:
        stopping.admin.fail_api("slow", seconds=3600)
        context, url = stopping.ssl_context(), f"{stopping.base_url}/system/ping"
        thread = threading.Thread(target=lambda: answers.append(httpx.get(url, verify=context)))
        thread.start()
        assert clock.read.wait(60)
    thread.join()

    assert [answer.status_code for answer in answers] == [200]


def test_a_sandbox_that_does_not_run() -> None:
    sandbox = Sandbox()

    for read in (lambda: sandbox.url, lambda: sandbox.admin, lambda: sandbox.ca_file, sandbox.ssl_context):
        with pytest.raises(ConfigurationError, match="is not running"):
            read()


def test_a_sandbox_runs_once_at_a_time_and_can_be_started_again() -> None:
    sandbox = Sandbox(tls=False)
    with sandbox, pytest.raises(ConfigurationError, match="is already running"):
        sandbox.start()
    with sandbox:
        assert httpx.get(f"{sandbox.base_url}/system/ping").status_code == 200


def test_a_sandbox_listens_on_loopback_addresses_only() -> None:
    with pytest.raises(ConfigurationError, match=r"'0\.0\.0\.0'"):
        Sandbox(host="0.0.0.0")


def test_the_clock_of_a_served_sandbox() -> None:
    options = SandboxOptions(lifetime=60)
    with Sandbox(options, tls=False, clock=Clock(lambda: 0.0)) as sandbox, open_client(sandbox) as client:
        token = ask(client, sandbox).json()["access_token"]
        before = client.get("/products", headers=bearer(token))
        sandbox.admin.advance(60)
        after = client.get("/products", headers=bearer(token))

    assert (before.status_code, after.status_code) == (200, 401)


@pytest.mark.parametrize("name", ["uvicorn", "trustme"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ConfigurationError, match=rf"{name}.*prio-middleware\[sandbox\]"):
        Sandbox().start()


@pytest.mark.pitfall(id="stale-authority")
def test_the_authority_lies_where_no_other_user_can_put_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that outlive the sandbox name its file. In the temporary directory, anyone could make it again."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    with Sandbox() as sandbox:
        assert sandbox.ca_file
        folder = sandbox.ca_file.parent
        assert folder.parent == tmp_path / "runtime" / "prio-middleware"
        assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]
    assert not folder.exists()
    assert folder.parent.exists()


def test_a_directory_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shared = tmp_path / "prio-middleware"
    shared.mkdir()
    shared.chmod(0o770)
    with Sandbox() as sandbox:
        assert sandbox.ca_file
        assert sandbox.ca_file.is_relative_to(tmp_path / "cache")
    (tmp_path / "cache" / "prio-middleware").rmdir()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("a file")
    sandbox = Sandbox()
    with pytest.raises(ConfigurationError, match="XDG_RUNTIME_DIR"):
        sandbox.start()
    with pytest.raises(ConfigurationError, match="not running"):
        _ = sandbox.url


def test_where_files_have_no_owner_the_temporary_directory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    with Sandbox() as sandbox:
        assert sandbox.ca_file
        assert sandbox.ca_file.is_relative_to(tempfile.gettempdir())
