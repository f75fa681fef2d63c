"""Every way a lifespan can end, under real servers: each with its error, and none hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.apps.lifespans import DOWN, SETTINGS
from tests.web.servers import HYPERCORN_ON_TRIO, UVICORN, serving, started

HYPERCORN = ["hypercorn", "--error-logfile", "-"]
UVICORN_AUTO = [*UVICORN, "--lifespan", "auto"]


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "server", [UVICORN_AUTO, HYPERCORN, HYPERCORN_ON_TRIO], ids=["uvicorn", "hypercorn", "hypercorn on trio"]
)
class TestUnderServers:
    @pytest.mark.parametrize(
        ("app", "environment", "said"),
        [
            pytest.param("starlette", {"PRIO_CLIENT_ID": "shop@example.com"}, "client_secret", id="wrong settings"),
            pytest.param("reports_and_waits", SETTINGS, DOWN, id="a database that is down"),
        ],
    )
    def test_a_failing_start_stops_the_server(
        self, tmp_path: Path, server: list[str], app: str, environment: dict[str, str], said: str
    ) -> None:
        with started(server, f"lifespans:{app}", environment, tmp_path) as running:
            running.wait()
        assert said in running.log

    @pytest.mark.parametrize("app", ["raises_at_stop", "loops", "has_none"])
    def test_a_signal_stops_the_server(self, tmp_path: Path, server: list[str], app: str) -> None:
        with serving(server, f"lifespans:{app}", SETTINGS, tmp_path) as running:
            pass
        assert app != "raises_at_stop" or server != UVICORN_AUTO or DOWN in running.log  # Hypercorn says nothing of it.
