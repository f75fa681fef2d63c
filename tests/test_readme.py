"""What the README promises can be looked up. Its examples are run by the tests of the documentation, some of them here too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUARANTEES = re.findall(r"`python -m pytest ([^`]+)`", README)

CALLS = {
    "fastapi": "from fastapi.testclient import TestClient\nwith TestClient(app.app) as it: answer = it.get('/products').json()",
    "flask": "answer = app.app.test_client().get('/products').json",
    "django": "from django.test import Client\nanswer = Client().get('/products').json()",
}


def test_every_guarantee_names_tests_that_exist() -> None:
    named = [Path(path) for command in GUARANTEES for path in command.split()]

    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_example_component_is_under_ten_lines() -> None:
    [component] = [example for example in PYTHON if "class RequestId" in example]

    assert len(component.splitlines()) < 10


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("framework", CALLS)
def test_the_example_for_a_framework_is_a_whole_application(framework: str, sandbox: Sandbox, tmp_path: Path) -> None:
    [example] = [example for example in PYTHON if f"from {framework}" in example]
    (tmp_path / "app.py").write_text(example)
    program = f"import app, json\n{CALLS[framework]}\nprint(json.dumps(answer))"
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
    shown = {title: cells for title, cells in _rows(README) if title in printed}

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
