"""Tools of tests: what they record, replace and freeze."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.compat.local_api import LocalAPI
from tests.compat.table import check

TESTS = "Test tools"
PLUGINS = ["-p", "no:cacheprovider", "-W", "error", "-q"]


def run_pytest(code: str, api: LocalAPI, *options: str) -> None:
    """Run pytest on ``code``, with the settings of a client in its environment."""
    import os

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_shop.py").write_text(code)
        environment = {**os.environ, **api.environment(), "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "pytest", *PLUGINS, *options]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@check("respx", TESTS, "mock the API and the token URL; recorded requests carry the token")
def respx(api: LocalAPI) -> None:
    import httpx
    import respx

    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner, respx.mock:
        answer = {"access_token": "mocked", "token_type": "Bearer", "expires_in": 60}
        endpoint = respx.post(f"{api.url}/token").mock(return_value=httpx.Response(200, json=answer))
        orders = respx.get(f"{api.url}/orders").mock(return_value=httpx.Response(200, json=[7]))
        assert inner.get("/orders").json() == inner.get("/orders").json() == [7]
        assert orders.calls.last.request.headers["Authorization"] == "Bearer mocked"
        assert (endpoint.call_count, orders.call_count) == (1, 2)
    with client(settings=api.settings(client_id="other")) as inner:
        assert inner.get("/orders").status_code == 200


@check("pytest-httpx", TESTS, "mock the API and the token URL with `httpx_mock`; clients may be older than the fixture")
def pytest_httpx(api: LocalAPI) -> None:
    run_pytest(
        """
import os
from prio_middleware.httpx import client
URL, prio = os.environ["PRIO_BASE_URL"], client()

def test_orders(httpx_mock):
    httpx_mock.add_response(url=f"{URL}/token", json={"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    httpx_mock.add_response(url=f"{URL}/orders", json=[7])
    assert prio.get("/orders").json() == [7]
    assert httpx_mock.get_requests()[-1].headers["Authorization"] == "Bearer t"
""",
        api,
        "-p",
        "no:asyncio",
    )
    _call(api)


@check("vcrpy", TESTS, 'filter with `filter_headers=["authorization"]` and `filter_post_data_parameters=["client_secret"]`')
def vcrpy(api: LocalAPI) -> None:
    import vcr

    from prio_middleware import build
    from prio_middleware.httpx import client

    with tempfile.TemporaryDirectory() as folder:
        cassette = Path(folder) / "orders.yaml"
        hide = {"filter_headers": ["authorization"], "filter_post_data_parameters": ["client_secret"]}
        for _ in range(2):  # Recorded, then played back.
            build.forget()
            recorder = vcr.use_cassette(
                str(cassette), before_record_response=_without_token, allow_playback_repeats=True, **hide
            )
            with recorder, client(settings=api.settings()) as inner:
                assert inner.get("/orders").json() == {"path": "/orders"}
        text = cassette.read_text()
        assert api.token not in text
        assert "s3cret" not in text
    assert len(api.calls) == 1


def _without_token(response: dict[str, object]) -> dict[str, object]:
    body = response["body"]
    if b"access_token" in body["string"]:
        body["string"] = b'{"access_token": "recorded", "token_type": "Bearer", "expires_in": 60}'
        response["headers"]["Content-Length"] = [str(len(body["string"]))]
    return response


@check("time-machine", TESTS, "tokens do not expire with it, because lifetimes count by the monotonic clock: use `prio_clock`")
def time_machine(api: LocalAPI) -> None:
    import time_machine

    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner:
        assert inner.get("/orders").status_code == 200
        with time_machine.travel("2040-01-01", tick=True):
            assert inner.get("/orders").status_code == 200
        with time_machine.travel("2001-01-01", tick=False):
            assert inner.get("/orders").status_code == 200
    assert api.token_requests == 1


@check("freezegun", TESTS, "clients made before or within a frozen time keep working; for expiry use `prio_clock`")
def freezegun(api: LocalAPI) -> None:
    from freezegun import freeze_time

    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner, freeze_time("2040-01-01"):
        assert inner.get("/orders").status_code == 200
    with freeze_time("2001-01-01"), client(settings=api.settings(client_id="other")) as inner:
        assert inner.get("/orders").status_code == 200


@check("pytest-asyncio", TESTS, "strict mode; a client belongs to the event loop of its test or fixture")
def pytest_asyncio(api: LocalAPI) -> None:
    run_pytest(
        """
import pytest, pytest_asyncio
from prio_middleware.httpx import async_client

@pytest_asyncio.fixture
async def prio():
    async with async_client() as opened:
        yield opened

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_orders(prio, number):
    assert (await prio.get("/orders")).status_code == 200
""",
        api,
        "-o",
        "asyncio_mode=strict",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    assert api.token_requests == 1


@check("asgi-lifespan", TESTS, "`LifespanManager(app)` opens and closes the clients of `PrioMiddleware`")
def asgi_lifespan(api: LocalAPI) -> None:
    import asyncio

    import httpx
    from asgi_lifespan import LifespanManager
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import Response
    from starlette.routing import Route

    from prio_middleware.asgi import PrioMiddleware

    async def orders(request: object) -> Response:
        return Response(status_code=(await request.state.prio.get("/orders")).status_code)

    app = Starlette(routes=[Route("/", orders)], middleware=[Middleware(PrioMiddleware, settings=api.settings())])

    async def main() -> None:
        async with LifespanManager(app) as manager:
            transport = httpx.ASGITransport(manager.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as browser:
                assert (await browser.get("/")).status_code == 200

    asyncio.run(main())


def _call(api: LocalAPI) -> None:
    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner:
        assert inner.get("/orders").status_code == 200
