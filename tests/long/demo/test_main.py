"""The demo as a process, as ``make demo`` runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prio_middleware.demo.__main__ import INTERRUPTED

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "prio_middleware.demo", "--quick"]


def environment(**changes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")} | changes


def test_the_quick_demo_succeeds_and_writes_plain_text_to_a_pipe(tmp_path: Path) -> None:
    ran = subprocess.run(COMMAND, capture_output=True, check=False, text=True, env=environment(TMPDIR=str(tmp_path)))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "30 of 30 expectations met" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while "Expiry under load" not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == INTERRUPTED
    assert rest.endswith("\nStopped.\n")
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
