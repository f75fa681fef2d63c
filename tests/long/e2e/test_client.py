"""``client()`` and ``async_client()`` make ordinary clients, whose every request goes through the pipeline."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from prio_middleware import ConfigurationError, TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox
from tests.long.e2e.client_kind import IN_PROCESS, OVER_TLS, PRODUCT, SOME_OVER_TLS, SOON, ClientKind, token_failure
from tests.long.e2e.proxy import Proxy, tls_server
from tests.transports.matrix import Caller, MatrixClient

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(kind: ClientKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Variables that describe a client of the sandbox; no others, and no files."""
    monkeypatch.chdir(tmp_path)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert isinstance(kind.sandbox, Sandbox)
    for name, value in kind.sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def make(kind: ClientKind, *names: str, **options: Any) -> Caller:
    face = kind.matrix.module
    return Caller((face.client if kind.matrix.is_sync else face.async_client)(*names, **options))


@pytest.mark.parametrize("kind", OVER_TLS, indirect=True)
async def test_the_environment_says_it_all(kind: ClientKind, environment: pytest.MonkeyPatch) -> None:
    client = make(kind)
    assert (await client.get(PRODUCT)).json()["data"]["product"]["product_id"] == "1004"
    assert client.client.base_url == f"{kind.base_url}/"
    assert isinstance(
        client.client,
        kind.matrix.library.Client if kind.matrix.is_sync else kind.matrix.library.AsyncClient,
    )
    await client.close()


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_named_clients_have_tokens_of_their_own(kind: ClientKind, environment: pytest.MonkeyPatch) -> None:
    second = kind.sandbox.options.accounts[1]
    environment.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", second.client_id)
    environment.setenv("PRIO_CLIENTS__BERLIN__CLIENT_SECRET", second.client_secret)
    for names in [(), ("berlin",), (), ("berlin",)]:
        client = make(kind, *names)
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert kind.admin.counts().token_requests_by_client == {kind.account.client_id: 1, second.client_id: 1}


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_settings_that_lack_something_are_refused_at_once(kind: ClientKind, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PRIO_CLIENT_SECRET")
    with pytest.raises(ConfigurationError, match="PRIO_CLIENT_SECRET"):
        make(kind)


@pytest.mark.parametrize("kind", ["httpx-asyncio over TLS"], indirect=True)
async def test_clients_of_every_kind_share_one_token(kind: ClientKind, environment: pytest.MonkeyPatch) -> None:
    for matrix in ("httpx-sync", "httpx2-sync", "httpx-asyncio", "httpx2-asyncio"):
        client = make(ClientKind(MatrixClient(matrix), kind.sandbox))
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    counts = kind.admin.counts()
    assert (counts.token_requests, counts.calls_by_status) == (1, {200: 4})


@pytest.mark.pitfall(id="bypassed-pipeline")
@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_verify_reaches_the_transport(kind: ClientKind) -> None:
    assert isinstance(kind.sandbox, Sandbox)
    async with kind.client(kind.settings(ca_file=None), verify=kind.sandbox.ssl_context()) as client:
        assert (await client.get(PRODUCT)).status_code == 200
    async with kind.client(kind.settings(**SOON), verify=ssl.create_default_context()) as client:
        assert isinstance(await token_failure(kind, client), TokenEndpointUnavailableError)


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("how", ["setting", "option"])
@pytest.mark.parametrize("http2", [True, False])
async def test_http2_reaches_the_transport(kind: ClientKind, how: str, http2: bool) -> None:
    authority, offered = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(offered)
    offered.set_alpn_protocols(["h2"])
    trusted = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    chosen = {"http2": http2}
    with tls_server(offered) as (address, agreed):
        settings = kind.settings(base_url=f"https://{address}", ca_file=None, **(chosen if how == "setting" else {}))
        async with kind.client(settings, verify=trusted, **(chosen if how == "option" else {})) as client:
            with pytest.raises(kind.matrix.library.TransportError):
                await client.get(PRODUCT, headers={"authorization": "own"})
    assert agreed == ["h2" if http2 else None]


@pytest.mark.parametrize("kind", OVER_TLS, indirect=True)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_environments_proxy_is_used(kind: ClientKind, environment: pytest.MonkeyPatch, variable: str) -> None:
    with Proxy().serving() as proxy:
        environment.setenv(variable, f"http://{proxy.address}")
        client = make(kind)
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert proxy.targets == {kind.base_url.split("/")[2]}


@pytest.mark.pitfall(id="bypassed-pipeline")
@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("setting", ["PRIO_PROXY", "option"])
async def test_a_proxy_of_the_caller_is_used_with_its_credentials(
    kind: ClientKind, environment: pytest.MonkeyPatch, setting: str
) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with Proxy().serving() as proxy:
        url = f"http://me:pass@{proxy.address}"
        if setting == "PRIO_PROXY":
            environment.setenv(setting, url)
        client = make(kind, **({"proxy": url} if setting == "option" else {}))
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert {credentials for _, credentials in proxy.seen} == {"Basic bWU6cGFzcw=="}


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("variables", [{"NO_PROXY": "127.0.0.1"}, {"NO_PROXY": "*"}, {"PRIO_TRUST_ENV": "false"}])
async def test_no_proxy_is_used_where_none_is_wanted(
    kind: ClientKind, environment: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name, value in variables.items():
        environment.setenv(name, value)
    client = make(kind)
    assert (await client.get(PRODUCT)).status_code == 200
    await client.close()


async def test_mounts_are_wrapped(kind: ClientKind) -> None:
    library = kind.matrix.library
    seen: dict[str, str | None] = {}

    def answer(request: Any) -> Any:
        seen[request.url.host] = request.headers.get("authorization")
        return library.Response(200)

    settings = kind.settings(allowed_origins=["https://ours.example"])
    mounts = {"https://ours.example": library.MockTransport(answer), "https://theirs.example": library.MockTransport(answer)}
    async with kind.client(settings, mounts=mounts) as client:
        for url in (PRODUCT, "https://ours.example/", "https://theirs.example/"):
            assert (await client.get(url)).status_code == 200
    token = kind.admin.requests()[-1].authorization

    assert token is not None
    assert seen == {"ours.example": token, "theirs.example": None}


@pytest.mark.parametrize("kind", IN_PROCESS, indirect=True)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proxy": "http://127.0.0.1:9"}, "proxy= would be ignored"),
        ({"verify": False, "http2": True}, "http2=, verify= would be ignored"),
    ],
)
async def test_options_that_a_transport_given_would_not_see_are_refused(
    kind: ClientKind, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kind.make(**options)


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("option", ["auth", "base_url"])
async def test_options_that_are_not_for_clients_are_refused(
    kind: ClientKind, environment: pytest.MonkeyPatch, option: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}= is not an option"):
        make(kind, **{option: "https://elsewhere.example"})
