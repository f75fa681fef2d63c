"""The README's example application as a program of its own, and the comparison with peers in docs/compare.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from tests.test_readme import PYTHON, ROOT

CALL = "from fastapi.testclient import TestClient\nwith TestClient(app.app) as shop: answer = shop.get('/products').json()"
COMPARISON = (ROOT / "docs" / "compare.md").read_text()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_example_for_a_framework_is_a_whole_application(sandbox: Sandbox, tmp_path: Path) -> None:
    [example] = [example for example in PYTHON if "from fastapi" in example]
    (tmp_path / "app.py").write_text(example)
    program = f"import app, json\n{CALL}\nprint(json.dumps(answer))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIO_")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | sandbox.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert len(json.loads(run.stdout)["data"]["items"]) > 3


def test_the_comparison_with_peers_is_what_its_script_prints() -> None:
    run = subprocess.run(
        [sys.executable, "benchmarks/peers_facts.py", "--markdown"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    printed = dict(_rows(run.stdout))
    shown = {title: cells for title, cells in _rows(COMPARISON) if title in printed}

    at_once = [title for title in printed if "threads at once" in title]
    assert len(at_once) == 1
    for table in (printed, shown):  # Of the peers' threads, a slow machine may start one after another one has its token.
        ours, *peers = table.pop(at_once[0])
        assert ours == "1"
        assert all(int(count) > 1 for count in peers)
    assert shown == printed


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        title, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 2:
            yield title, cells
