"""Token requests go their own way, over real connections: by their own URL, whichever call needed the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, Settings, TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox
from prio_middleware.web.clients import fetch_tokens
from tests.long.e2e.broker import Broker, Counter, Relay, serving
from tests.long.e2e.client_kind import PRODUCT, SOME_OVER_TLS, SOON, ClientKind, token_failure
from tests.long.e2e.proxy import Proxy
from tests.transports.matrix import Caller, MatrixClient

pytestmark = pytest.mark.anyio

HEADER = "kanarie-gateway-key"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy().serving() as proxy:
        yield proxy


@pytest.fixture
def broker() -> Iterator[Broker]:
    with serving(Broker()) as broker:
        yield broker


@pytest.fixture
def counter() -> Iterator[Counter]:
    with serving(Counter()) as counter:
        yield counter


def transport(kind: ClientKind, **options: Any) -> Any:
    """A transport of the library's own that trusts the sandbox."""
    assert isinstance(kind.sandbox, Sandbox)
    library = kind.matrix.library
    make = library.HTTPTransport if kind.matrix.is_sync else library.AsyncHTTPTransport
    return make(verify=kind.sandbox.ssl_context(), **options)


async def closed(kind: ClientKind, own: Any) -> None:
    if kind.matrix.is_sync:
        own.close()
    else:
        await own.aclose()


def elsewhere(kind: ClientKind) -> dict[str, str]:
    """Settings by which the token endpoint is at another host than the API."""
    assert "//127.0.0.1:" in kind.base_url
    return {"token_url": f"{kind.base_url.replace('//127.0.0.1:', '//localhost:')}/oauth2/token"}


def address(url: str) -> str:
    return url.split("/")[2]


@pytest.mark.pitfall(id="token-route")
@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("direct", ["127.0.0.1", "localhost"])
async def test_no_proxy_counts_for_api_and_token_endpoint_by_itself(
    kind: ClientKind, direct: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = elsewhere(kind)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("NO_PROXY", direct)
    async with kind.client(kind.settings(**own)) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    proxied = {address(url) for url in (kind.base_url, own["token_url"])}
    assert proxy.targets == {target for target in proxied if not target.startswith(direct)}


@pytest.mark.pitfall(id="token-route")
@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_mount_for_the_login_host_sends_token_requests(kind: ClientKind, proxy: Proxy) -> None:
    own = elsewhere(kind)
    mount = transport(kind, proxy=f"http://{proxy.address}")
    mounts = {"https://localhost": mount}
    provider = kind.provider(kind.settings(**own), mounts=mounts)
    async with kind.client(kind.settings(**own), mounts=mounts) as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200
            provider.replace_credentials(provider.endpoint)

    assert proxy.targets == {address(own["token_url"])}
    assert len(proxy.seen) == 1, "it is the caller's: its connection is kept"


@pytest.mark.pitfall(id="token-route")
@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_transport_for_tokens_beside_a_unix_socket_for_the_api(kind: ClientKind, tmp_path: Path) -> None:
    port = int(address(kind.base_url).split(":")[1])
    with serving(Relay(tmp_path / "api", port)) as api, serving(Relay(tmp_path / "login", port)) as login:
        for_tokens = transport(kind, uds=str(tmp_path / "login"))
        options = {"transport": transport(kind, uds=str(tmp_path / "api")), "token_transport": for_tokens}
        async with kind.client(kind.settings(ca_file=None, **elsewhere(kind)), **options) as client:
            assert (await client.get(PRODUCT)).status_code == 200
        await closed(kind, for_tokens)

    assert (api.visits, login.visits) == (1, 1)


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_token_request_that_went_into_the_apis_socket_says_so(kind: ClientKind, tmp_path: Path) -> None:
    with serving(Relay(tmp_path / "api", None)):
        own = kind.settings(ca_file=None, token_url="https://login.example/token", **SOON)
        async with kind.client(own, transport=transport(kind, uds=str(tmp_path / "api"))) as client:
            with pytest.raises(TokenEndpointUnavailableError, match="give token_transport="):
                await client.get(PRODUCT)


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_token_endpoint_on_the_host_of_the_api_is_not_logged(kind: ClientKind, tmp_path: Path) -> None:
    with serving(Relay(tmp_path / "api", None)):
        own = kind.settings(ca_file=None, **SOON)
        async with kind.client(own, transport=transport(kind, uds=str(tmp_path / "api"))) as client:
            assert "token_transport=" not in str(await token_failure(kind, client))


def local(broker: Broker, **changes: Any) -> ClientSettings:
    url = f"http://localhost:{broker.port}"
    return ClientSettings(
        **{
            "preset": "rfc6749",
            "name": "shop",
            "base_url": url,
            "token_url": f"{url}/token",
            "client_id": "shop",
            "client_secret": "s3cret",
            "loopback_http_hosts": ["localhost"],
            **changes,
        }
    )


def make(matrix: MatrixClient, settings: ClientSettings) -> Caller:
    return Caller((matrix.module.client if matrix.is_sync else matrix.module.async_client)(settings=settings))


@pytest.fixture(params=["httpx-sync", "httpx-asyncio", "httpx2-sync", "httpx2-trio"])
def matrix(request: pytest.FixtureRequest) -> MatrixClient:
    return MatrixClient(request.param)


class TestPlainHTTP:
    """With a broker on this machine."""

    @pytest.fixture
    def anyio_backend(self, matrix: MatrixClient) -> str:
        return matrix.backend

    @pytest.mark.pitfall(id="proxied-loopback")
    @pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
    async def test_no_proxy_of_the_environment_sees_it(
        self, matrix: MatrixClient, broker: Broker, counter: Counter, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTPS_PROXY", variable):
            monkeypatch.setenv(name.lower(), counter.url)  # Python heeds HTTP_PROXY in both cases
        client = make(matrix, local(broker))
        assert (await client.get("/products")).json() == {"authorization": "Bearer token-1"}
        await client.close()

        assert [path for path, *_ in broker.seen] == ["/token", "/products"]
        assert counter.visits == 0

    async def test_what_is_no_loopback_goes_through_it_all_the_same(
        self, matrix: MatrixClient, broker: Broker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy.address}")
        client = make(matrix, local(broker)).client
        if matrix.is_sync:
            with client, pytest.raises(matrix.library.TransportError):
                client.get("https://127.0.0.1:1/")
        else:
            async with client:
                with pytest.raises(matrix.library.TransportError):
                    await client.get("https://127.0.0.1:1/")

        assert proxy.targets == {"127.0.0.1:1"}

    @pytest.mark.pitfall(id="proxied-loopback")
    async def test_no_proxy_of_the_environment_sees_a_fetch_ahead(
        self, matrix: MatrixClient, broker: Broker, counter: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("all_proxy", counter.url)
        values = {**dict(local(broker)), "library": matrix.library.__name__}
        given = {key: values[key] for key in (*local(broker).model_fields_set - {"name"}, "library")}

        assert fetch_tokens(Settings.from_values(**given)) is None
        assert [path for path, *_ in broker.seen] == ["/token"]
        assert counter.visits == 0

    async def test_each_token_request_has_a_connection_of_its_own(self, matrix: MatrixClient, broker: Broker) -> None:
        client = make(matrix, local(broker))
        await client.get("/products")
        token, call = broker.seen

        assert token.connection != call.connection
        assert broker.wait_for_end(token.connection)
        assert call.connection not in broker.ended
        await client.close()

    @pytest.mark.pitfall(id="foreign-refusal")
    async def test_token_requests_carry_the_user_agent_and_the_headers_of_the_settings(
        self, matrix: MatrixClient, broker: Broker
    ) -> None:
        client = make(matrix, local(broker, token_headers={"X-Gateway-Key": HEADER}))
        await client.get("/products")
        await client.close()
        token, call = broker.seen

        assert token.headers["user-agent"].startswith("prio-middleware/")
        assert token.headers["user-agent"].endswith(f" python-{matrix.library.__name__}/{matrix.library.__version__}")
        assert token.headers["x-gateway-key"] == HEADER
        assert "x-gateway-key" not in call.headers

    async def test_a_user_agent_of_the_caller_replaces_the_default(self, matrix: MatrixClient, broker: Broker) -> None:
        client = make(matrix, local(broker, token_headers={"user-agent": "shop/1", "ACCEPT": "*/*"}))
        await client.get("/products")
        await client.close()

        assert (broker.seen[0].headers["user-agent"], broker.seen[0].headers["accept"]) == ("shop/1", "*/*")
