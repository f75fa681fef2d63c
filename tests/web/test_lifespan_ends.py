"""Every way a lifespan can end, under Starlette's TestClient: each with its error, and none hangs.

A test that hangs is ended by ``faulthandler_timeout``. Real servers are in ``tests/long/web``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from prio_middleware import ConfigurationError, CredentialsRefusedError
from prio_middleware.sandbox import Sandbox
from tests.web.apps.lifespans import DOWN, SETTINGS, make
from tests.web.helpers import WRONG_SECRET


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


class TestUnderTestClient:
    @pytest.mark.pitfall(id="endless-lifespan")
    @pytest.mark.parametrize("app", ["starlette", "fastapi", "loops"])
    def test_wrong_settings_are_raised_before_the_block_is_entered(self, app: str, event_loop: Any) -> None:
        with pytest.raises(ConfigurationError, match="client_id"), TestClient(make(app), backend=event_loop):
            pytest.fail("It was entered.")

    def test_refused_credentials_are_raised_before_the_block_is_entered(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {**sandbox.environment(), "PRIO_CLIENT_SECRET": WRONG_SECRET}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CredentialsRefusedError), TestClient(make("warm")):
            pytest.fail("It was entered.")

    @pytest.mark.usefixtures("_settings")
    @pytest.mark.parametrize("app", ["raises_at_start", "reports_at_start", "reports_and_waits"])
    def test_a_failing_start_of_the_application_is_raised_before_the_block_is_entered(self, app: str) -> None:
        with pytest.raises(RuntimeError, match=DOWN), TestClient(make(app)):
            pytest.fail("It was entered.")

    @pytest.mark.usefixtures("_settings")
    @pytest.mark.parametrize("app", ["raises_at_stop", "reports_at_stop"])
    def test_a_failing_end_is_raised_at_the_end(self, app: str) -> None:
        entered = False
        with pytest.raises(RuntimeError, match=DOWN), TestClient(make(app)):
            entered = True
        assert entered

    @pytest.mark.usefixtures("_settings")
    @pytest.mark.parametrize("app", ["loops", "says_nothing_at_stop", "has_none"])
    def test_an_odd_end_is_an_end(self, app: str) -> None:
        entered = False
        with TestClient(make(app)):
            entered = True
        assert entered
