"""``client()`` and ``async_client()`` make ordinary clients, whose every request goes through the pipeline."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from prio_middleware import ConfigurationError, TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox
from tests.e2e.place import IN_PROCESS, OVER_TLS, PRODUCT, SOME_OVER_TLS, SOON, Place, token_failure
from tests.e2e.proxy import Proxy, tls_server
from tests.transports.world import Caller, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Variables that describe a client of the sandbox; no others, and no files."""
    monkeypatch.chdir(tmp_path)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert isinstance(place.sandbox, Sandbox)
    for name, value in place.sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def make(place: Place, *names: str, **options: Any) -> Caller:
    face = place.world.face
    return Caller((face.client if place.world.is_sync else face.async_client)(*names, **options))


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
async def test_the_environment_says_it_all(place: Place, environment: pytest.MonkeyPatch) -> None:
    client = make(place)
    assert (await client.get(PRODUCT)).json()["data"]["product"]["product_id"] == "1004"
    assert client.client.base_url == f"{place.base_url}/"
    assert isinstance(client.client, place.world.library.Client if place.world.is_sync else place.world.library.AsyncClient)
    await client.close()


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_named_clients_have_tokens_of_their_own(place: Place, environment: pytest.MonkeyPatch) -> None:
    second = place.sandbox.options.accounts[1]
    environment.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", second.client_id)
    environment.setenv("PRIO_CLIENTS__BERLIN__CLIENT_SECRET", second.client_secret)
    for names in [(), ("berlin",), (), ("berlin",)]:
        client = make(place, *names)
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert place.admin.counts().token_requests_by_client == {place.account.client_id: 1, second.client_id: 1}


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_settings_that_lack_something_are_refused_at_once(place: Place, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PRIO_CLIENT_SECRET")
    with pytest.raises(ConfigurationError, match="PRIO_CLIENT_SECRET"):
        make(place)


@pytest.mark.parametrize("place", ["httpx-asyncio over TLS"], indirect=True)
async def test_clients_of_every_kind_share_one_token(place: Place, environment: pytest.MonkeyPatch) -> None:
    for world in ("httpx-sync", "httpx2-sync", "httpx-asyncio", "httpx2-asyncio"):
        client = make(Place(World(world), place.sandbox))
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    counts = place.admin.counts()
    assert (counts.token_requests, counts.calls_by_status) == (1, {200: 4})


@pytest.mark.pitfall(id="bypassed-pipeline")
@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_verify_reaches_the_transport(place: Place) -> None:
    assert isinstance(place.sandbox, Sandbox)
    async with place.client(place.settings(ca_file=None), verify=place.sandbox.ssl_context()) as client:
        assert (await client.get(PRODUCT)).status_code == 200
    async with place.client(place.settings(**SOON), verify=ssl.create_default_context()) as client:
        assert isinstance(await token_failure(place, client), TokenEndpointUnavailableError)


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("how", ["setting", "option"])
@pytest.mark.parametrize("http2", [True, False])
async def test_http2_reaches_the_transport(place: Place, how: str, http2: bool) -> None:
    authority, offered = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(offered)
    offered.set_alpn_protocols(["h2"])
    trusted = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    chosen = {"http2": http2}
    with tls_server(offered) as (address, agreed):
        settings = place.settings(base_url=f"https://{address}", ca_file=None, **(chosen if how == "setting" else {}))
        async with place.client(settings, verify=trusted, **(chosen if how == "option" else {})) as client:
            with pytest.raises(place.world.library.TransportError):
                await client.get(PRODUCT, headers={"authorization": "own"})
    assert agreed == ["h2" if http2 else None]


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_environments_proxy_is_used(place: Place, environment: pytest.MonkeyPatch, variable: str) -> None:
    with Proxy().serving() as proxy:
        environment.setenv(variable, f"http://{proxy.address}")
        client = make(place)
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert proxy.targets == {place.base_url.split("/")[2]}


@pytest.mark.pitfall(id="bypassed-pipeline")
@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("setting", ["PRIO_PROXY", "option"])
async def test_a_proxy_of_ones_own_is_used_with_its_credentials(
    place: Place, environment: pytest.MonkeyPatch, setting: str
) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with Proxy().serving() as proxy:
        url = f"http://me:pass@{proxy.address}"
        if setting == "PRIO_PROXY":
            environment.setenv(setting, url)
        client = make(place, **({"proxy": url} if setting == "option" else {}))
        assert (await client.get(PRODUCT)).status_code == 200
        await client.close()
    assert {credentials for _, credentials in proxy.seen} == {"Basic bWU6cGFzcw=="}


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("variables", [{"NO_PROXY": "127.0.0.1"}, {"NO_PROXY": "*"}, {"PRIO_TRUST_ENV": "false"}])
async def test_no_proxy_is_used_where_none_is_wanted(
    place: Place, environment: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name, value in variables.items():
        environment.setenv(name, value)
    client = make(place)
    assert (await client.get(PRODUCT)).status_code == 200
    await client.close()


async def test_mounts_are_wrapped(place: Place) -> None:
    library = place.world.library
    seen: dict[str, str | None] = {}

    def answer(request: Any) -> Any:
        seen[request.url.host] = request.headers.get("authorization")
        return library.Response(200)

    settings = place.settings(allowed_origins=["https://ours.example"])
    mounts = {"https://ours.example": library.MockTransport(answer), "https://theirs.example": library.MockTransport(answer)}
    async with place.client(settings, mounts=mounts) as client:
        for url in (PRODUCT, "https://ours.example/", "https://theirs.example/"):
            assert (await client.get(url)).status_code == 200
    token = place.admin.requests()[-1].authorization

    assert token is not None
    assert seen == {"ours.example": token, "theirs.example": None}


@pytest.mark.parametrize("place", IN_PROCESS, indirect=True)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proxy": "http://127.0.0.1:9"}, "proxy= would be ignored"),
        ({"verify": False, "http2": True}, "http2=, verify= would be ignored"),
    ],
)
async def test_options_that_a_transport_given_would_not_see_are_refused(
    place: Place, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        place.make(**options)


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("option", ["auth", "base_url"])
async def test_options_that_are_not_for_clients_are_refused(place: Place, environment: pytest.MonkeyPatch, option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}= is not an option"):
        make(place, **{option: "https://elsewhere.example"})
