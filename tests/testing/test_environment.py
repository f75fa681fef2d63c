"""`prio_environment`: the application's clients, each at a sandbox in its own dialect."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from prio_middleware import Settings
from prio_middleware.fastapi import PrioClient, PrioMiddleware, prio_client
from prio_middleware.httpx import client
from prio_middleware.sandbox import Account, Sandbox, SandboxOptions
from prio_middleware.testing.plugin import environment_for

APPLICATION = """
scope = "leaks-in"
connect_timeout = 77

[clients.acme-corp]
preset = "rfc6749"
base_url = "https://api.partner.example"
token_url = "https://login.partner.example/oauth2/token"
client_id = "shop"
client_secret_file = "/run/secrets/partner"

[clients.berlin]
client_id = "berlin"
library = "httpx2"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an application with three clients, and settings that no test may read."""
    (tmp_path / "prio.toml").write_text(APPLICATION)
    (tmp_path / ".env").write_text("PRIO_CLIENT_ID=real@example.com\nPRIO_READ_TIMEOUT=78\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


Partner = Annotated[httpx.AsyncClient, prio_client("acme-corp")]


@pytest.fixture
def shop() -> FastAPI:
    app = FastAPI()
    app.add_middleware(PrioMiddleware)  # type: ignore[arg-type, unused-ignore]

    @app.get("/products")
    async def products(prio: PrioClient) -> int:
        return (await prio.get("/products")).status_code

    @app.get("/partner")
    async def partner(partner: Partner) -> int:
        return (await partner.get("/products")).status_code

    return app


@pytest.mark.pitfall(id="half-redirected-tests")
@pytest.mark.usefixtures("folder", "prio_environment")
def test_each_client_of_an_application_reaches_a_sandbox_in_its_own_dialect(
    shop: FastAPI, prio_sandbox: Sandbox, prio_rfc6749_sandbox: Sandbox
) -> None:
    with TestClient(shop) as browser:
        assert browser.get("/products").json() == browser.get("/partner").json() == 200
    seen = [sandbox.admin.counts().token_requests for sandbox in (prio_sandbox, prio_rfc6749_sandbox)]
    assert seen == [1, 1]


@pytest.mark.pitfall(id="half-redirected-tests")
@pytest.mark.usefixtures("folder", "prio_environment")
def test_nothing_else_of_the_folder_is_read() -> None:
    settings = Settings()
    assert list(settings.clients) == ["default", "acme-corp", "berlin"]
    for each in settings.clients.values():
        assert each.base_url.startswith("https://127.0.0.1:")
        assert (each.scope, each.connect_timeout, each.read_timeout) != ("leaks-in", 77, 78)
        assert each.scope is None
    assert [settings.client(name).preset for name in settings.clients] == ["prio", "rfc6749", "prio"]
    assert settings.client("berlin").library == "httpx2"


@pytest.mark.usefixtures("folder")
def test_settings_that_are_wrong_do_not_count(
    folder: Path, prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "prio.toml").write_text("[clients.berlin]\nclient_identity = 'b'\n")
    environment_for(lambda _: prio_sandbox, monkeypatch, tmp_path_factory.mktemp("settings"))
    assert list(Settings().clients) == ["default"]


def test_an_application_with_named_clients_alone_has_no_other(
    folder: Path, prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / ".env").unlink()
    environment_for(lambda _: prio_sandbox, monkeypatch, tmp_path_factory.mktemp("settings"))
    assert list(Settings().clients) == ["acme-corp", "berlin"]
    with client("berlin") as prio:
        assert prio.get("/products").status_code == 200


def test_no_secret_is_printed(prio_environment: Mapping[str, str], prio_sandbox: Sandbox) -> None:
    assert os.environ["PRIO_CLIENT_SECRET"] == prio_environment["PRIO_CLIENT_SECRET"] == prio_sandbox.client_secret
    assert prio_sandbox.client_secret not in repr(prio_environment)
    assert prio_sandbox.base_url in repr(prio_environment)


def test_a_client_of_another_dialect(prio_rfc6749_client: Any, prio_rfc6749_sandbox: Sandbox) -> None:
    assert prio_rfc6749_client.get("/products").status_code == 200
    prio_rfc6749_sandbox.admin.revoke()
    assert prio_rfc6749_client.get("/products").status_code == 200
    assert prio_rfc6749_sandbox.admin.counts().calls_by_status == {200: 2, 401: 1}


@pytest.mark.parametrize("_time", [1, 2])
def test_the_sandbox_of_another_dialect_is_reset(prio_rfc6749_client: Any, prio_rfc6749_sandbox: Sandbox, _time: int) -> None:
    assert prio_rfc6749_sandbox.admin.counts().token_requests == 0
    prio_rfc6749_client.get("/products")


DIALECTS = {
    "prio": SandboxOptions(),
    "rfc6749": SandboxOptions.rfc6749(),
    "rfc6749 with raw Basic": SandboxOptions.rfc6749().replace({"basic_encodings": ("raw",)}),
    "JSON with form-encoded Basic": SandboxOptions(basic_encodings=("form",)),
    "secret in the body": SandboxOptions.rfc6749().replace({"client_auth_methods": ("client_secret_post",)}),
}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def other(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(request.param) as sandbox:
        yield sandbox


def test_the_settings_of_a_client_follow_the_options(other: Sandbox) -> None:
    with client(settings=Settings.from_values(**other.client_settings())) as prio:
        assert prio.get("/products").status_code == 200


def test_the_environment_works_without_tls() -> None:
    with Sandbox(tls=False) as sandbox, client(settings=Settings.from_values(**sandbox.client_settings())) as prio:
        assert prio.get("/products").status_code == 200


def test_the_second_sandbox_has_the_accounts_of_the_first(prio_sandbox: Sandbox, prio_rfc6749_sandbox: Sandbox) -> None:
    accounts: tuple[Account, ...] = prio_rfc6749_sandbox.options.accounts
    assert accounts == prio_sandbox.options.accounts
