from __future__ import annotations

import time
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from tests.web.helpers import WRONG_SECRET
from tests.web.servers import GUNICORN, HYPERCORN_ON_TRIO, UVICORN, close_code, serving, started

BRISK = {"PRIO_TOKEN_DEADLINE": "0.5", "PRIO_TOKEN_TIMEOUT": "0.5"}


@pytest.mark.parametrize(
    ("server", "app", "paths"),
    [
        pytest.param(UVICORN, "asgi_app:app", ["/products", "/sync"], id="uvicorn"),
        pytest.param(UVICORN, "asgi_app:around_deaf", ["/products"], id="uvicorn, an application without lifespan"),
        pytest.param(UVICORN, "asgi_app:mounted", ["/products", "/sync"], id="uvicorn, mounted"),
        pytest.param(HYPERCORN_ON_TRIO, "asgi_app:app", ["/products", "/sync"], id="hypercorn on trio"),
        pytest.param(GUNICORN, "wsgi_app:app", ["/products", "/lazy"], id="gunicorn"),
        pytest.param([*UVICORN, "--lifespan", "auto"], "django_app:asgi", ["/products", "/sync"], id="uvicorn, Django"),
        pytest.param(GUNICORN, "django_app:wsgi", ["/products", "/sync"], id="gunicorn, Django"),
    ],
)
def test_a_request_has_its_token_or_is_told_to_come_back(
    sandbox: Sandbox, tmp_path: Path, server: list[str], app: str, paths: list[str]
) -> None:
    sandbox.admin.fail_tokens("unavailable", times=None)
    with serving(server, app, {**sandbox.environment(), **BRISK}, tmp_path) as running:
        for path, wait in zip(paths, ["10", "1"], strict=False):  # The second is answered in the pause after the first.
            answer = running.browser.get(path)
            assert (answer.status_code, answer.text) == (503, "Service Unavailable\n")
            assert answer.headers.get_list("retry-after") == [wait]
            assert answer.headers.get_list("content-length") == ["20"]
        sandbox.admin.clear_faults()
        sandbox.admin.reset_counts()
        time.sleep(1)
        assert [running.browser.get(path).status_code for path in paths * 2] == [200] * len(paths * 2)
    assert sandbox.admin.counts().token_requests == 1
    assert running.log.count("Answered 503: ") == 1  # The others of that minute are counted.
    assert "Traceback" not in running.log
    assert "unclosed" not in running.log


@pytest.mark.parametrize(
    ("server", "app", "exit_code"),
    [
        (UVICORN, "asgi_app:warm", 3),
        (HYPERCORN_ON_TRIO, "asgi_app:warm", 0),  # It stops, but forgets its worker's exit code.
        (GUNICORN, "wsgi_app:warm", 1),
    ],
)
class TestWarmUp:
    def test_wrong_credentials_stop_the_deployment(
        self, sandbox: Sandbox, tmp_path: Path, server: list[str], app: str, exit_code: int
    ) -> None:
        environment = {**sandbox.environment(), "PRIO_CLIENT_SECRET": WRONG_SECRET}
        with started(server, app, environment, tmp_path) as running:
            assert running.wait() == exit_code
        assert "Check client id, secret" in running.log
        assert WRONG_SECRET not in running.log

    def test_the_first_customer_does_not_wait_for_a_token(
        self, sandbox: Sandbox, tmp_path: Path, server: list[str], app: str, exit_code: int
    ) -> None:
        with serving(server, app, sandbox.environment(), tmp_path) as running:
            assert running.browser.get("/ready").json()["clients"]["default"]["expires_in"] > 0
            assert sandbox.admin.counts().calls == 0
            assert running.browser.get("/products").status_code == 200
        assert sandbox.admin.counts().token_requests == 1


@pytest.mark.parametrize("server", [[*UVICORN, "--ws", "wsproto"], HYPERCORN_ON_TRIO])
def test_a_token_failure_on_a_websocket_is_1013(sandbox: Sandbox, tmp_path: Path, server: list[str]) -> None:
    sandbox.admin.fail_tokens("unavailable", times=None)
    with serving(server, "asgi_app:app", {**sandbox.environment(), **BRISK}, tmp_path) as running:
        assert close_code(running.url, "/live") == 1013


def test_wrong_settings_stop_the_deployment(tmp_path: Path) -> None:
    with started(UVICORN, "asgi_app:app", {"PRIO_CLIENT_ID": "shop@example.com"}, tmp_path) as running:
        assert running.wait() != 0
    assert "client_secret" in running.log
