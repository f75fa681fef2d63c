"""A run of pytest in an environment where the plugin is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.testing.test_plugin import UNUSED

ROOT = Path(__file__).parents[3]


def test_pytest_finds_it_and_pays_nothing_until_it_is_used(tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    (tmp_path / "test_shop.py").write_text(
        "import json, pathlib, sys\n"
        "LOADED = sorted(sys.modules)\n"
        "def test_loaded():\n"
        "    pathlib.Path('loaded.json').write_text(json.dumps(LOADED))\n"
        "def test_sale(prio_client, prio_sandbox):\n"
        "    assert prio_client.get('/products').status_code == 200\n"
    )
    installed = tmp_path / "installed" / "prio_middleware_as_installed-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: prio-middleware-as-installed\nVersion: 1\n")
    lines = [f"{name} = {module}" for name, module in declared.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(tmp_path), "test_shop.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{installed.parent}:{ROOT}", "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    loaded = json.loads((tmp_path / "loaded.json").read_text())
    assert "prio_middleware.testing.plugin" in loaded
    assert set(UNUSED) & set(loaded) == set()
