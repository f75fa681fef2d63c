"""httpx's own tests, from its source distribution, end the same with all transports wrapped as without this package."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.compat.__main__ import PYTHON, ROOT

FOLDER = next((PYTHON.parents[1] / "upstream").glob("httpx-*/"), None)

pytestmark = pytest.mark.skipif(FOLDER is None, reason="httpx's source is not installed: see scripts/install_compat")


def start(folder: Path, outcomes: Path, **variables: str) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PRIO_", "COVERAGE_", "PYTEST_"))}
    own |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PRIO_OUTCOMES": str(outcomes), **variables}
    own["PYTHONPATH"] = os.pathsep.join((str(Path(__file__).parent), str(ROOT)))
    command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "anyio", "-p", "outcomes", "tests"]
    return subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def functions_with_private_access(folder: Path) -> set[str]:
    """Return the tests that look into private attributes of a client."""
    found: set[str] = set()
    for path in (folder / "tests").rglob("test_*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                private = [node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr[0] == "_"]
                found |= {f"{path.relative_to(folder)}::{function.name}"} if private else set()
    return found


def test_upstream_tests_end_as_without_this_package_except_those_of_private_attributes(tmp_path: Path) -> None:
    assert FOLDER is not None
    plain, through = tmp_path / "plain.json", tmp_path / "through.json"
    runs = [start(FOLDER, plain), start(FOLDER, through, PRIO_THROUGH="1")]
    printed = [run.communicate(timeout=110)[0] for run in runs]
    assert plain.exists(), printed[0][-3000:]
    assert through.exists(), printed[1][-3000:]
    before: dict[str, Any] = json.loads(plain.read_text())
    after: dict[str, Any] = json.loads(through.read_text())
    changed = {name for name, outcome in before["outcomes"].items() if after["outcomes"].get(name) != outcome}

    assert {name.partition("[")[0] for name in changed} - functions_with_private_access(FOLDER) == set()
    assert list(before["outcomes"].values()).count("passed") > 1000
    assert len(changed) < 50
    assert after["carried"] > 300
