"""The dashboard as a process, as ``make demo-dashboard`` runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from scripts.demo_dashboard import RATES

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "scripts.demo_dashboard"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_dashboard_runs_until_a_signal_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
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
            assert process.poll() is None
            told += process.stdout.readline()
        url = re.findall(r"^    (http://127\.0\.0\.1:\d+/status/)$", told, re.MULTILINE)[0]
        assert {client["name"] for client in httpx.get(f"{url}status.json").json()["clients"]} == set(RATES)
        os.killpg(process.pid, number)
        rest = process.stdout.read()
        assert process.wait() == 0
    assert rest == "\n"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
