"""Runs of pytest as users have them."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

# pytester forgets the modules that a run loads. These are loaded once, for all runs.
from prio_middleware import httpx
from prio_middleware.sandbox import server
from prio_middleware.testing import no_secrets

ROOT = Path(__file__).parents[2]
LOADED = (httpx, server, no_secrets)
PLUGIN = "prio_middleware.testing.plugin"
UNUSED = ["prio_middleware.sandbox", "prio_middleware.settings", "httpx", "pydantic", "starlette", "opentelemetry", "authlib"]


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", "-W", "error", "--strict-markers")


def test_a_leak_fails_the_test_at_its_end(pytester: pytest.Pytester) -> None:
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


def test_a_mark_sets_the_accounts(pytester: pytest.Pytester) -> None:
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


def test_a_sandbox_of_another_dialect(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from prio_middleware.httpx import client
        from prio_middleware.sandbox import SandboxOptions

        @pytest.fixture(scope="session")
        def prio_sandbox_options():
            return SandboxOptions.rfc6749()

        def test_sale(prio_client, prio_environment, prio_sandbox, prio_rfc6749_sandbox):
            assert prio_rfc6749_sandbox is prio_sandbox
            assert prio_client.get("/products").status_code == 200
            with client() as prio:
                assert prio.get("/products").status_code == 200
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_token_of_the_second_sandbox_is_a_secret(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_sale(prio_rfc6749_client, assert_no_secrets):
            print(prio_rfc6749_client.get("/echo").text)
        """,
    )

    result.assert_outcomes(passed=1, errors=1)


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


def test_the_plugin_loads_nothing_until_a_fixture_is_used() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"prio_middleware": PLUGIN}
    program = f"import json, sys, {PLUGIN}; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    loaded = json.loads(ended.stdout)
    assert PLUGIN in loaded
    assert set(UNUSED) & set(loaded) == set()
