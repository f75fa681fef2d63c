"""Each package of the table works beside this one, and stands on the page."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.compat.__main__ import PAGE, PYTHON, ROOT, TIMEOUT
from tests.compat.table import load

CHECKS = load()
REQUIREMENTS = (ROOT / "tests" / "compat" / "requirements.txt").read_text().split()


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("==")[0]).lower()


@pytest.mark.skipif(not PYTHON.exists(), reason="its environment is not installed: see scripts/install_compat")
@pytest.mark.parametrize("package", CHECKS)
def test_the_package_works_beside_this_one(package: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PRIO_", "COVERAGE_", "PYTEST_"))}
    command = [str(PYTHON), "-m", "tests.compat", "--here", package]
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_every_package_and_no_other() -> None:
    rows = re.findall(r"^\| (\S+) \| \S+ \| (.+?) \| ", PAGE.read_text(), re.MULTILINE)
    assert len(CHECKS) >= 30
    assert dict(row for row in rows if row[0] not in {"Package", "---"}) == dict.fromkeys(CHECKS, "works")


def test_every_package_is_installed_for_it() -> None:
    assert {normalized(package) for package in CHECKS} - set(map(normalized, REQUIREMENTS)) == set()
