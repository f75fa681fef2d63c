from __future__ import annotations

import io
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from dotenv import dotenv_values

from prio_middleware.demo import scenarios, screen, trace
from prio_middleware.demo.__main__ import OTHER_FILES
from tests.cli.helpers import exit_status, prio

REFUSALS = 60
"""Answers 4xx in a minute that the API gives before it blocks a caller."""

Settings = dict[str, str]


class Served(io.StringIO):
    """Standard output of ``prio sandbox``. Once a sandbox is served, it is used, and ended as Ctrl-C ends it."""

    def __init__(self, use: Callable[[Settings], None]) -> None:
        super().__init__()
        self.use = use
        self.used = False

    def flush(self) -> None:
        if not self.used and "until Ctrl-C" in self.getvalue():
            self.used = True
            given = dotenv_values(stream=io.StringIO(self.getvalue()))
            try:
                self.use({name: value for name, value in given.items() if value})
            finally:
                signal.raise_signal(signal.SIGINT)


def serve(monkeypatch: pytest.MonkeyPatch, use: Callable[[Settings], None], *arguments: str) -> None:
    """Serve a sandbox, and use it with the settings that it prints."""
    output = Served(use)
    monkeypatch.setattr(sys, "stdout", output)
    assert exit_status("sandbox", *arguments) == 0
    assert output.used


def client(given: Settings) -> httpx.Client:
    verify = ssl.create_default_context(cafile=given["PRIO_CA_FILE"]) if "PRIO_CA_FILE" in given else True
    return httpx.Client(verify=verify, trust_env=False)


def lifetime(given: Settings) -> float:
    """Ask for a token. Returns how long it is good for."""
    credentials = given["PRIO_CLIENT_ID"], given["PRIO_CLIENT_SECRET"]
    with client(given) as asking:
        answer = asking.post(
            f"{given['PRIO_BASE_URL']}/oauth2/token", json={"grant_type": "client_credentials"}, auth=credentials
        )
    return float(answer.json()["expires_in"])


def is_blocked(given: Settings) -> bool:
    """Make more calls without a token than the limit allows. Returns whether the last one got another answer than the first."""
    with client(given) as asking:
        first, *_, last = [asking.get(f"{given['PRIO_BASE_URL']}/products").status_code for _ in range(REFUSALS + 2)]
    return first != last


def test_a_sandbox_is_served_as_the_api_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def use(given: Settings) -> None:
        assert given["PRIO_BASE_URL"].startswith("https://127.0.0.1:")
        assert lifetime(given) == 3600
        assert is_blocked(given)

    serve(monkeypatch, use)

    assert "`prio sandbox --write prio.env`" in capsys.readouterr().err


def test_the_settings_of_a_sandbox_can_be_written_to_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "prio.env"
    serve(monkeypatch, lambda given: None, "--write", str(file), "--no-tls")

    assert f"PRIO_ENV_FILE={file}" in capsys.readouterr().err
    assert "PRIO_CLIENT_SECRET=" in file.read_text()


def test_its_options(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    def use(given: Settings) -> None:
        assert given["PRIO_BASE_URL"].startswith(f"http://127.0.0.1:{unused_port}/")
        assert lifetime(given) == 5
        assert not is_blocked(given)

    serve(monkeypatch, use, "--port", str(unused_port), "--lifetime", "5", "--no-limits", "--no-tls")


def test_a_sandbox_that_cannot_be_served() -> None:
    result = prio("sandbox", "--host", "0.0.0.0")

    assert result.exit_code == 2


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


LOADED = (scenarios, screen, trace)
"""Modules of the demo that have to know the real console before a test replaces it."""


def test_the_demo_ends_as_the_demo_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    allowed = 80 + OTHER_FILES
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert exit_status("demo") == 2
    assert "ulimit" in capsys.readouterr().err

    monkeypatch.setattr("rich.console.Console", interrupt)
    assert exit_status("demo", "--quick") == 130


def refuse(*_: object) -> None:
    raise ValueError


def interrupt(**_: object) -> None:
    raise KeyboardInterrupt
