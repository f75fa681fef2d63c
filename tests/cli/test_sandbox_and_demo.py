from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from prio_middleware.demo import __main__ as demo
from prio_middleware.sandbox import __main__ as sandbox
from tests.cli.kit import COMMAND, piped, prio


def test_a_sandbox_is_served_until_a_signal_and_can_be_used_as_it_says(folder: Path) -> None:
    with (folder / ".env").open("w") as settings:
        served = subprocess.Popen([*COMMAND, "sandbox"], stdout=settings, stderr=subprocess.PIPE, text=True)
    while "/_sandbox/revoke" not in (folder / ".env").read_text():
        assert served.poll() is None
    try:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIO_")}
        checked = piped("check", cwd=folder, env=environment)
    finally:
        served.send_signal(signal.SIGINT)
        _, said = served.communicate()

    assert checked.returncode == 0, checked.stdout
    assert "PRIO_CLIENT_SECRET in .env" in checked.stdout
    assert "`prio sandbox > .env`" in said
    assert served.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [
        ("", "--host 127.0.0.1 --port 0 --lifetime 3600.0"),
        ("--port 8443 --lifetime 5 --no-limits --no-tls", "--host 127.0.0.1 --port 8443 --lifetime 5.0 --no-limits --no-tls"),
    ],
)
def test_its_options(monkeypatch: pytest.MonkeyPatch, arguments: str, passed_on: str) -> None:
    seen: list[str] = []

    def main(given: Sequence[str], environment: Mapping[str, str]) -> int:
        seen.append(shlex.join(given))
        return 0

    monkeypatch.setattr(sandbox, "main", main)

    assert prio("sandbox", *arguments.split()).exit_code == 0
    assert seen == [passed_on]


def test_a_sandbox_that_cannot_be_served() -> None:
    result = prio("sandbox", "--host", "0.0.0.0")

    assert result.exit_code == 2


@pytest.mark.parametrize(("arguments", "passed_on"), [([], []), (["--quick"], ["--quick"])])
@pytest.mark.parametrize("status", [0, 1, 130])
def test_the_demo_ends_as_the_demo_does(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], passed_on: list[str], status: int
) -> None:
    def main(given: Sequence[str]) -> int:
        assert given == passed_on
        return status

    monkeypatch.setattr(demo, "main", main)

    assert prio("demo", *arguments).exit_code == status
