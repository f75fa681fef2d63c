from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import BudgetExceededError, Settings, TokenEndpointUnavailableError
from prio_middleware.build import pipeline_for
from prio_middleware.httpx import client
from prio_middleware.sandbox import Clock, Sandbox, SandboxOptions
from prio_middleware.telemetry.snapshot import snapshot
from prio_middleware.testing.plugin import environment_for

BOTH = pytest.mark.parametrize("prio_library", ["httpx", "httpx2"])


def token_requests(sandbox: Sandbox) -> int:
    return sandbox.admin.counts().token_requests


@BOTH
def test_a_revoked_token_is_replaced(prio_client: Any, prio_sandbox: Sandbox, prio_library: str) -> None:
    assert type(prio_client).__module__.partition(".")[0] == prio_library
    assert prio_client.get("/products").status_code == 200

    prio_sandbox.admin.revoke()

    assert prio_client.get("/products").status_code == 200
    assert token_requests(prio_sandbox) == 2


@pytest.mark.parametrize("prio_library", ["httpx2"])
@pytest.mark.anyio
async def test_the_async_client_does_the_same(prio_async_client: Any, prio_sandbox: Sandbox) -> None:
    await prio_async_client.get("/products")
    prio_sandbox.admin.revoke()

    assert (await prio_async_client.get("/products")).status_code == 200
    assert token_requests(prio_sandbox) == 2


@pytest.mark.parametrize("_time", [1, 2])
def test_every_test_finds_the_sandbox_and_the_clients_as_new(prio_client: Any, prio_sandbox: Sandbox, _time: int) -> None:
    assert token_requests(prio_sandbox) == 0
    assert prio_sandbox.admin.counts().calls == 0

    prio_client.get("/products")
    prio_sandbox.admin.configure(lifetime=1)
    prio_sandbox.admin.fail_api("unavailable", times=None)

    assert token_requests(prio_sandbox) == 1
    assert prio_client.get("/products").status_code == 503


def test_a_failing_token_endpoint_can_be_had(prio_client: Any, prio_sandbox: Sandbox) -> None:
    prio_sandbox.admin.fail_tokens("unavailable", times=None, retry_after=3600)

    with pytest.raises(TokenEndpointUnavailableError):
        prio_client.get("/products")


@pytest.mark.parametrize("move", ["prio_clock", "admin"])
def test_time_passes_for_the_sandbox_and_the_clients(
    prio_client: Any, prio_sandbox: Sandbox, prio_clock: Clock, move: str
) -> None:
    prio_client.get("/products")
    advance = prio_clock.advance if move == "prio_clock" else prio_sandbox.admin.advance

    advance(3500)
    prio_client.get("/products")
    assert token_requests(prio_sandbox) == 1

    advance(101)
    prio_client.get("/products")
    assert token_requests(prio_sandbox) == 2
    assert prio_sandbox.admin.counts().calls_by_status == {200: 3}


def test_time_passes_for_the_memory_of_refusals(prio_client: Any, prio_sandbox: Sandbox, prio_clock: Clock) -> None:
    for route in ("a", "b", "c", "d", "e"):
        prio_client.get(f"/reports/{route}")
    after_a_few = token_requests(prio_sandbox)
    prio_client.get("/reports/f")
    assert token_requests(prio_sandbox) == after_a_few

    prio_clock.advance(120)
    prio_client.get("/reports/g")
    assert token_requests(prio_sandbox) == after_a_few + 1


@pytest.mark.pitfall(id="many-clocks")
def test_time_passes_for_the_budget_and_for_what_is_counted(prio_sandbox: Sandbox, prio_clock: Clock) -> None:
    own = {"base_url": prio_sandbox.base_url, "client_id": prio_sandbox.client_id, "client_secret": prio_sandbox.client_secret}
    guarded = Settings.from_values(
        **own,
        ca_file=prio_sandbox.ca_file,
        trust_env=False,
        budget_guard={"enforce": True, "client_errors": 2, "in_flight": False},
    )
    with client(settings=guarded) as prio:
        pipeline = pipeline_for(guarded.client())
        before = snapshot(pipeline).client_errors
        assert [prio.get("/nowhere").status_code for _ in range(2)] == [404, 404]
        with pytest.raises(BudgetExceededError):
            prio.get("/products")
        assert snapshot(pipeline).client_errors == before + 2

        prio_clock.advance(62)
        assert snapshot(pipeline).client_errors == 0
        assert prio.get("/products").status_code == 200


@pytest.mark.prio_sandbox(lifetime=7, revoked_status=401)
class TestOptions:
    def test_a_mark_gives_them(self, prio_client: Any, prio_sandbox: Sandbox) -> None:
        prio_client.get("/products")
        prio_sandbox.admin.revoke()

        assert prio_client.get("/products").status_code == 200
        assert prio_sandbox.admin.counts().calls_by_status == {200: 2, 401: 1}

    @pytest.mark.prio_sandbox(lifetime=9)
    def test_the_nearest_mark_goes_first(self, prio_client: Any, prio_sandbox: Sandbox, prio_clock: Clock) -> None:
        prio_client.get("/products")
        prio_clock.advance(7.5)
        prio_client.get("/products")

        assert token_requests(prio_sandbox) == 1


def test_an_application_that_reads_the_environment_reaches_it(prio_environment: Mapping[str, str], tmp_path: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with client() as prio:
            assert prio.get("/products").status_code == 200

    assert os.environ.items() >= prio_environment.items()


def test_the_environment_is_of_the_sandbox_alone_and_comes_back(
    prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRIO_CLIENT_SECRET_FILE", "/run/secrets/prio")
    before = dict(os.environ)

    with pytest.MonkeyPatch.context() as patch:
        variables = environment_for(lambda _: prio_sandbox, patch, tmp_path)
        assert {name for name in os.environ if name.startswith("PRIO_")} == variables.keys()
        patch.delenv("PRIO_CLIENT_SECRET")

    assert os.environ == before


def test_the_settings_are_those_of_the_sandbox_whatever_the_environment_says(
    prio_settings: Settings, prio_sandbox: Sandbox
) -> None:
    assert prio_settings.client().base_url == prio_sandbox.base_url
    assert prio_settings.client().trust_env is False


def test_the_options_are_prios_own(prio_sandbox_options: SandboxOptions) -> None:
    assert prio_sandbox_options.replace({}).limits is SandboxOptions().limits
