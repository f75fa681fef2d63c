"""Runs of pytest as users have them."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "no:prio_middleware", "-p", "prio_middleware.testing.plugin")
UNUSED = ["prio_middleware.sandbox", "prio_middleware.settings", "httpx", "pydantic", "starlette", "opentelemetry", "authlib"]


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", "-W", "error", "--strict-markers")


def test_a_leak_nobody_asked_about_fails_the_test_at_its_end(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_sale(prio_client, assert_no_secrets):
            answer = prio_client.get("/products")
            print(prio_client.get("/echo").text)
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*A secret or a token appeared in line 1 of standard output.*"])


def test_the_output_of_a_test_is_still_in_the_report(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_sale(assert_no_secrets):
            print("sold nothing")
            assert_no_secrets()
            assert False
        """,
    )

    result.assert_outcomes(failed=1)
    assert "sold nothing" in result.stdout.str().partition("Captured stdout")[2]


@pytest.mark.parametrize("capture", ["capfd", "capsys"])
def test_a_test_may_read_its_output_itself(pytester: pytest.Pytester, capture: str) -> None:
    result = run(
        pytester,
        f"""
        def test_sale({capture}, assert_no_secrets):
            print("sold")
            assert {capture}.readouterr().out == "sold\\n"
        """,
    )

    result.assert_outcomes(passed=1)


def test_accounts_of_ones_own(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from prio_middleware.sandbox import Account, SandboxOptions

        @pytest.fixture(scope="session")
        def prio_sandbox_options():
            return SandboxOptions(accounts=(Account("shop@museum.example"),), lifetime=60)

        @pytest.mark.prio_sandbox(limits=False)
        def test_sale(prio_client, prio_settings):
            assert prio_settings.client().client_id == "shop@museum.example"
            assert prio_client.get("/products").status_code == 200
        """,
    )

    result.assert_outcomes(passed=1)


def test_options_that_do_not_exist(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.prio_sandbox(lifetme=5)
        def test_sale(prio_sandbox):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*lifetime*"])


def test_pytest_finds_it_and_pays_nothing_until_it_is_used(tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    (tmp_path / "test_shop.py").write_text(
        "import json, sys\n"
        "LOADED = sorted(sys.modules)\n"
        "def test_loaded():\n"
        "    print(json.dumps(LOADED))\n"
        "def test_sale(prio_client, prio_sandbox):\n"
        "    assert prio_client.get('/products').status_code == 200\n"
    )
    installed = tmp_path / "installed" / "prio_middleware_as_installed-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: prio-middleware-as-installed\nVersion: 1\n")
    lines = [f"{name} = {module}" for name, module in declared.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))

    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(tmp_path), "test_shop.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{installed.parent}:{ROOT}", "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    loaded = json.loads(next(line for line in ended.stdout.splitlines() if line.startswith("[")))
    assert "prio_middleware.testing.plugin" in loaded
    assert set(UNUSED) & set(loaded) == set()
