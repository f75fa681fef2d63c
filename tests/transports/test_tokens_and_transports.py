"""Public ``token()`` and ``transport()``, for tools that send the header themselves and libraries that take a transport."""

from __future__ import annotations

import importlib
import ssl
from typing import Any

import httpx
import pytest

from prio_middleware import ConfigurationError, CredentialsRefusedError, InsecureTransportError
from prio_middleware.build import forget
from prio_middleware.sandbox import Sandbox, SandboxOptions
from prio_middleware.settings import Settings
from tests.transports.library_privates import proxy_of
from tests.transports.matrix import BASE, settings

LIBRARIES = ["httpx", "httpx2"]
PRODUCTS = "/products"


@pytest.fixture(scope="module")
def served() -> Any:
    with Sandbox(SandboxOptions(limits=False)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Any:
    served.admin.reset()
    forget()
    yield served
    forget()


@pytest.fixture(params=LIBRARIES)
def module(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(f"prio_middleware.{request.param}")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def settings_for(sandbox: Sandbox, **changes: Any) -> Settings:
    account = sandbox.options.accounts[0]
    own = {"base_url": sandbox.base_url, "ca_file": sandbox.ca_file, "client_id": account.client_id}
    return Settings.from_values(**{**own, "client_secret": account.client_secret, **changes})


def library_of(module: Any) -> Any:
    return module.AuthTransport.library


def test_a_token_is_fetched_once_and_shared_with_the_clients(sandbox: Sandbox, module: Any) -> None:
    own = settings_for(sandbox)
    first, second = module.token(settings=own), module.token("default", settings=own)
    answered = httpx.get(
        f"{sandbox.base_url}{PRODUCTS}",
        headers={"Authorization": first.authorization(), "App-Name": "shop", "App-Version": "1"},
        verify=ssl.create_default_context(cafile=sandbox.ca_file),
    )
    with module.client(settings=own) as client:
        assert client.get(PRODUCTS).status_code == answered.status_code == 200
    assert second is first
    assert first.value.reveal() not in repr(first)
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.anyio
async def test_a_token_for_async_code_is_the_same(sandbox: Sandbox, module: Any) -> None:
    own = settings_for(sandbox)
    first = await module.async_token(settings=own)
    assert await module.async_token(settings=own) is first is module.token(settings=own)
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.anyio
async def test_without_one_it_raises_the_librarys_error(sandbox: Sandbox, module: Any) -> None:
    wrong = settings_for(sandbox, client_secret="wr0ng")
    with pytest.raises(CredentialsRefusedError) as failed:
        module.token(settings=wrong)
    with pytest.raises(library_of(module).TransportError):
        await module.async_token(settings=wrong)
    assert isinstance(failed.value, library_of(module).TransportError)
    with pytest.raises(ConfigurationError, match="berlin"):
        module.token("berlin", settings=wrong)


@pytest.mark.anyio
async def test_a_transport_serves_a_client_of_another_library(sandbox: Sandbox, module: Any) -> None:
    own, library = settings_for(sandbox), library_of(module)
    url = f"{sandbox.base_url}{PRODUCTS}"
    with library.Client(transport=module.transport(settings=own)) as client:
        assert client.get(url).status_code == 200
    async with library.AsyncClient(transport=module.async_transport(settings=own)) as client:
        assert (await client.get(url)).status_code == 200
    assert isinstance(module.transport(settings=own), library.BaseTransport)
    assert sandbox.admin.counts().token_requests == 1


def routed(monkeypatch: pytest.MonkeyPatch, library: Any) -> list[tuple[str, str | None]]:
    """Answer requests instead of the library's transports, and note each URL's host with the proxy that it goes through."""
    seen: list[tuple[str, str | None]] = []

    def answer(transport: Any, request: Any) -> Any:
        seen.append((request.url.host, proxy_of(transport)))
        if request.url.path == "/token":
            return library.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 60})
        return library.Response(200)

    async def answer_async(transport: Any, request: Any) -> Any:
        return answer(transport, request)

    monkeypatch.setattr(library.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(library.AsyncHTTPTransport, "handle_async_request", answer_async)
    return seen


@pytest.mark.anyio
@pytest.mark.pitfall(id="proxy-twice")
async def test_token_requests_use_the_proxies_of_a_client(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    forget()
    library, own = library_of(module), settings(allowed_origins=["https://direct.example"])
    expected = [("api.example", "proxy.example"), ("api.example", "proxy.example"), ("direct.example", None)]

    seen = routed(monkeypatch, library)
    with library.Client(transport=module.transport(settings=own)) as client:
        assert [client.get(url).status_code for url in (BASE, "https://direct.example")] == [200, 200]
    assert seen == expected

    forget()
    seen.clear()
    async with library.AsyncClient(transport=module.async_transport(settings=own)) as client:
        assert [(await client.get(url)).status_code for url in (BASE, "https://direct.example")] == [200, 200]
    assert seen == expected


def test_plain_http_to_this_machine_is_refused_through_a_proxy(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(module)
    own = settings(proxy="http://proxy.example", allowed_origins=["http://localhost:9"], loopback_http_hosts=["localhost"])
    forget()
    seen = routed(monkeypatch, library)
    with library.Client(transport=module.transport(settings=own)) as client, pytest.raises(InsecureTransportError):
        client.get("http://localhost:9/orders")
    assert seen == [("api.example", "proxy.example")]  # The token request.


def test_an_unusable_option_is_an_error(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:port")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as failed:
        module.transport(settings=settings())
    assert failed.value.client == "shop"
