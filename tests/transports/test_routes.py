"""Routes of requests: as the HTTP library decides, except that plain HTTP to this machine uses no proxy."""

from __future__ import annotations

import importlib
import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from prio_middleware import ClientCredentialsProvider, ConfigurationError, InsecureTransportError, Secret
from prio_middleware.oauth.client_auth import ClientSecretPost
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.transports.routes import Routes, TokenRoute, find_routes, is_proxied, transport_of
from tests.long.e2e.leak import assert_silent
from tests.transports.library_privates import chosen_proxy, proxy_of, speaks_http2, tls_context_of
from tests.transports.matrix import BASE, TOKEN_URL, settings

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Context without authorities: no request is sent, and loading them is slow."""

LIBRARIES = ["httpx", "httpx2"]
PASSWORD = "kanarie-wachtwoord"

NO_PROXY = [
    "",
    ",",
    " , ",
    "*",
    "a.example,*",
    "* ",
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.0.0.0/8",
    "10.0.0.0/8",
    "10.1.2.3",
    "10.1.2.3:8443",
    "10.0.0.0/99",
    "999.1.1.1/8",
    "::1",
    "[::1]",
    "[::1]:8443",
    "fd00::/8",
    "fd00::1",
    "fd00::/999",
    "example",
    "corp.example",
    ".corp.example",
    "*.corp.example",
    "api.corp.example",
    "API.CORP.EXAMPLE",
    "api.corp.example:8443",
    "corp.example:443",
    "https://api.corp.example",
    "http://api.corp.example",
    "https://api.corp.example:8443",
    "all://corp.example",
    "corp.example, localhost ,10.0.0.0/8",
    "corp.example localhost",
    "b\u00fccher.example",
]

URLS = [
    "https://api.corp.example/",
    "https://api.corp.example:8443/",
    "https://corp.example/",
    "https://notcorp.example/",
    "https://xn--bcher-kva.example/",
    "https://10.1.2.3/",
    "https://10.1.2.3:8443/",
    "https://127.0.0.1/",
    "https://localhost:8443/",
    "https://[::1]/",
    "https://[::1]:8443/",
    "https://[fd00::1]/",
    "http://api.corp.example/",
    "wss://api.corp.example/",
]

LOOPBACK = ["http://localhost:9/", "http://127.0.0.1:9/", "http://127.1.2.3/", "http://[::1]:9/", "ws://LOCALHOST/"]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def routes(library: Any, *, is_async: bool = False, **options: Any) -> Routes:
    if "transport" not in options:
        options.setdefault("verify", CONTEXT)
    found = find_routes(library, options, is_async=is_async, api=BASE)
    assert isinstance(found, Routes)
    return found


def make(library: Any, *, is_async: bool = False, **options: Any) -> Any:
    face = importlib.import_module(f"prio_middleware.{library.__name__}")
    own = options.pop("settings", None) or settings()
    return (face.async_client if is_async else face.client)(settings=own, **options)


@pytest.mark.pitfall(id="proxy-twice")
def test_a_client_uses_the_same_routes_as_one_of_the_library(
    library: Any, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.example:3128")
    monkeypatch.setenv("ALL_PROXY", "http://any.example")
    compared = 0
    for excepted, is_async in [*((value, False) for value in NO_PROXY), ("corp.example,127.0.0.1", True)]:
        with subtests.test(excepted, is_async=is_async):
            monkeypatch.setenv("NO_PROXY", excepted)
            try:
                plain = (library.AsyncClient if is_async else library.Client)(verify=CONTEXT)
            except library.InvalidURL:
                with pytest.raises(ConfigurationError, match="NO_PROXY"):
                    make(library, is_async=is_async, verify=CONTEXT)
                continue
            expected = {url: chosen_proxy(plain, library, url) for url in URLS}
            ours, ways = (made(library, is_async=is_async, verify=CONTEXT) for made in (make, routes))

            assert {url: chosen_proxy(ours, library, url) for url in URLS} == expected
            assert {url: proxy_of(ways.open(url)[0]) for url in URLS} == expected
            assert {url: proxy_of(ways.open(url)[0]) for url in LOOPBACK} == dict.fromkeys(LOOPBACK)
            compared += 1
    assert compared > len(NO_PROXY) // 2


@pytest.mark.pitfall(id="proxy-twice")
def test_a_mount_of_none_beside_a_proxy_goes_directly(library: Any, is_async: bool) -> None:
    options: dict[str, Any] = {"proxy": "http://proxy.example", "mounts": {"https://x.example": None}}
    options["verify"] = CONTEXT
    client, ways = make(library, is_async=is_async, **options), routes(library, is_async=is_async, **options)

    for url, proxy in {"https://x.example/": None, "https://y.example/": "proxy.example"}.items():
        assert chosen_proxy(client, library, url) == proxy
        assert proxy_of(ways.open(url)[0]) == proxy


def test_a_token_request_has_a_transport_of_its_own(library: Any, is_async: bool) -> None:
    ways = routes(library, is_async=is_async, verify=False, http2=True)
    first, second = ways.open(TOKEN_URL), ways.open(TOKEN_URL)

    assert first[1] is second[1] is True
    assert len({id(transport) for transport in (first[0], second[0], ways.find(TOKEN_URL).transport)}) == 3
    assert tls_context_of(first[0]) is tls_context_of(second[0]) is tls_context_of(ways.find(TOKEN_URL).transport)
    assert speaks_http2(first[0])


def test_transports_of_the_callers_own_are_used_as_they_are(library: Any) -> None:
    own, mounted, for_tokens = (library.MockTransport(library.Response) for _ in range(3))
    ways = routes(library, transport=own, mounts={"https://login.example": mounted, "https://direct.example": None})

    assert ways.open(TOKEN_URL) == (own, False)
    assert ways.open("https://direct.example/token") == (own, False)
    assert ways.open("https://login.example/token") == (mounted, False)
    assert TokenRoute(for_tokens).open(TOKEN_URL) == (for_tokens, False)
    with_own_mount = routes(library, mounts={"https://login.example": mounted})
    assert with_own_mount.open("https://login.example/token") == (mounted, False)
    assert with_own_mount.open(TOKEN_URL)[1]


def test_where_the_environment_changes_later_token_requests_go_the_way_of_the_calls(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://first.example")
    ways = routes(library)
    monkeypatch.setenv("HTTPS_PROXY", "http://second.example")

    assert proxy_of(ways.open(TOKEN_URL)[0]) == proxy_of(ways.find(TOKEN_URL).transport) == "first.example"


def test_an_error_of_a_token_request_names_the_proxy(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = routes(library, proxy="http://user:s3cret@proxy.example:3128").hint(TOKEN_URL) or ""
    assert "the proxy http://proxy.example:3128" in given
    assert "setting proxy" in given
    assert "s3cret" not in given
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example:3128")
    assert "the proxy http://other.example:3128, from the environment" in (routes(library).hint(TOKEN_URL) or "")


def test_a_callers_transport_that_may_not_reach_the_token_endpoint_is_logged(library: Any) -> None:
    mock = library.MockTransport(library.Response)
    mounted = {"https://login.example": mock}
    elsewhere = "https://login.example/token"

    assert "token_transport=" in (routes(library, transport=mock).hint(elsewhere) or "")
    assert routes(library, transport=mock).hint(TOKEN_URL) is None
    assert routes(library, mounts=mounted).hint(elsewhere) is None
    assert routes(library).hint(elsewhere) is None


@pytest.mark.pitfall(id="proxied-loopback")
def test_a_proxy_of_the_callers_does_not_get_plain_http_to_this_machine(library: Any, subtests: pytest.Subtests) -> None:
    proxied = library.HTTPTransport(proxy="http://proxy.example", verify=CONTEXT)
    given: dict[str, TokenRoute] = {
        "proxy": routes(library, proxy=Secret("http://proxy.example")),
        "mount": routes(library, mounts={"all://": proxied}),
        "transport": routes(library, transport=proxied),
        "for tokens": TokenRoute(proxied),
    }

    for how, ways in given.items():
        for url in LOOPBACK:
            with subtests.test(how, url=url):
                assert ways.leaks(url)
                with pytest.raises(InsecureTransportError, match="proxy"):
                    ways.open(url)
                assert not ways.leaks(url.replace("http:", "https:").replace("ws:", "wss:"))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_proxy_of_the_environment_is_left_out_for_this_machine_alone(
    library: Any, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, bool]] = []

    def handle_request(transport: Any, request: Any) -> Any:
        sent.append((request.url.host, is_proxied(transport)))
        return library.Response(200)

    async def handle_async_request(transport: Any, request: Any) -> Any:
        return handle_request(transport, request)

    monkeypatch.setattr(library.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(library.AsyncHTTPTransport, "handle_async_request", handle_async_request)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    ways = routes(library, is_async=is_async, verify=CONTEXT).wrapped(lambda transport: transport)
    if is_async:
        async with library.AsyncClient(**ways) as client:
            for url in ("http://localhost:9/", "https://api.example/"):
                await client.get(url)
        await library.AsyncClient(**ways).aclose()
    else:
        with library.Client(**ways) as client:
            for url in ("http://localhost:9/", "https://api.example/"):
                client.get(url)
        library.Client(**ways).close()

    assert sent == [("localhost", False), ("api.example", True)]


def test_a_mount_of_the_caller_for_this_machine_counts_beside_a_proxy_of_the_environment(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    mounted = library.MockTransport(library.Response)

    assert routes(library, mounts={"http://localhost": mounted}).find("http://localhost:9/").transport is mounted


def test_what_is_proxied_is_seen_of_the_librarys_own_transports(library: Any) -> None:
    assert is_proxied(library.HTTPTransport(proxy="https://proxy.example", verify=CONTEXT))
    assert not is_proxied(library.HTTPTransport(uds="/nowhere", verify=CONTEXT))
    assert not is_proxied(library.MockTransport(library.Response))


class TestClients:
    """Routes of whole clients. No request is sent."""

    LOCAL: ClassVar[dict[str, Any]] = {
        "base_url": "http://localhost:9/v1",
        "token_url": "http://localhost:9/token",
        "loopback_http_hosts": ["localhost"],
    }

    @pytest.fixture(params=["proxy", "mounts", "transport", "settings"])
    def options(self, request: pytest.FixtureRequest, library: Any) -> dict[str, Any]:
        proxied, local = library.HTTPTransport(proxy="http://127.0.0.1:1", verify=CONTEXT), settings(**self.LOCAL)
        given: dict[str, Any] = {
            "proxy": {"settings": local, "proxy": "http://127.0.0.1:1", "verify": CONTEXT},
            "mounts": {"settings": local, "mounts": {"http://": proxied}, "verify": CONTEXT},
            "transport": {"settings": local, "transport": proxied},
            "settings": {"settings": settings(**self.LOCAL, proxy="http://127.0.0.1:1"), "verify": CONTEXT},
        }
        return dict(given[request.param])

    @pytest.mark.pitfall(id="proxied-loopback")
    def test_a_token_url_that_a_proxy_would_see_is_a_mistake(self, library: Any, options: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="proxy") as caught:
            make(library, **options)

        assert (caught.value.client, caught.value.url) == ("shop", "http://localhost:9/token")

    def test_a_token_url_that_a_proxy_would_see_is_a_mistake_for_a_transport_made_by_hand(self, library: Any) -> None:
        endpoint = TokenEndpoint("http://localhost:9/token", ClientSecretPost("shop", Secret("s3cret")))
        provider = ClientCredentialsProvider(endpoint, loopback_http_hosts=["localhost"])
        face = importlib.import_module(f"prio_middleware.{library.__name__}")
        with pytest.raises(ConfigurationError, match="proxy"):
            face.AuthTransport(library.HTTPTransport(proxy="http://proxy.example", verify=CONTEXT), provider=provider)

    @pytest.mark.pitfall(id="proxied-loopback")
    def test_a_call_that_a_proxy_would_see_is_blocked_before_a_token_request(self, library: Any) -> None:
        asked: list[Any] = []
        tokens = library.MockTransport(asked.append)
        own = settings(loopback_http_hosts=["localhost"], allowed_origins=["http://localhost:9"])
        client = make(library, settings=own, proxy="http://127.0.0.1:1", token_transport=tokens, verify=CONTEXT)
        with pytest.raises(InsecureTransportError, match="proxy") as caught:
            client.get("http://localhost:9/products")

        assert isinstance(caught.value, library.TransportError)
        assert asked == []

    def test_a_mount_of_none_lets_it_go_directly(self, library: Any) -> None:
        mounts = {"http://localhost": None}
        client = make(library, settings=settings(**self.LOCAL), proxy="http://127.0.0.1:1", mounts=mounts, verify=CONTEXT)

        assert chosen_proxy(client, library, "http://localhost:9/") is None


class TestMistakes:
    """Errors of client creation: each names the option to change, without its value."""

    CUT: ClassVar[list[str]] = [
        f"http://shop:{start}{PASSWORD}@127.0.0.1:3128" for start in (f"{PASSWORD}/", f"{PASSWORD}#", f"{PASSWORD}?", "12/")
    ]
    """Return URLs whose password ends their authority."""

    def mistake(self, library: Any, secret: str = PASSWORD, **options: Any) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            make(library, **options)
        assert caught.value.client == "shop"
        assert_silent(caught.value, [secret])
        return caught.value

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_a_proxy_of_the_environment(self, library: Any, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
        for variable, is_async in (("HTTPS_PROXY", False), ("https_proxy", True), ("ALL_PROXY", False), ("HTTP_PROXY", True)):
            for proxy in self.CUT:
                with subtests.test(variable, proxy=proxy), monkeypatch.context() as environment:
                    environment.setenv(variable, proxy)
                    found = self.mistake(library, is_async=is_async, verify=CONTEXT)

                    assert found.message.startswith(f"{variable} ")
                    assert "%2F" in found.remedy

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_a_proxy_that_is_given(self, library: Any, subtests: pytest.Subtests) -> None:
        for proxy in self.CUT:
            with subtests.test(proxy):
                assert self.mistake(library, proxy=proxy, verify=CONTEXT).message.startswith("proxy ")

    def test_a_proxy_in_the_settings(self, subtests: pytest.Subtests) -> None:
        for proxy in self.CUT:
            with subtests.test(proxy):
                with pytest.raises(ConfigurationError, match=r"proxy: .* %2F") as caught:
                    settings(proxy=proxy)
                assert_silent(caught.value, [PASSWORD])

    def test_a_proxy_that_is_none(self, library: Any, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
        for proxy in (f"ftp://u:{PASSWORD}@proxy.example", f"socks://u:{PASSWORD}@proxy.example", "http://[::1"):
            with subtests.test(proxy):
                monkeypatch.setenv("ALL_PROXY", proxy)
                found = self.mistake(library, verify=CONTEXT)

                assert "ALL_PROXY" in found.message
                assert "%2F" in found.remedy

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_a_socks_proxy_without_its_package(self, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "socksio", None)
        monkeypatch.setenv("ALL_PROXY", f"socks5://u:{PASSWORD}@proxy.example")
        found = self.mistake(library, verify=CONTEXT)

        assert "ALL_PROXY" in found.message
        assert "socksio" in found.message
        assert "Install" in found.remedy

    def test_mounts_that_cannot_be_read(self, library: Any) -> None:
        assert "mounts=" in self.mistake(library, mounts={"nonsense": None}, verify=CONTEXT).message

    def test_limits_that_are_none(self, library: Any) -> None:
        assert "limits=" in self.mistake(library, limits="few", verify=CONTEXT).message

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_authorities_that_are_not_there(self, library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / PASSWORD))
        found = self.mistake(library)

        assert "SSL_CERT_FILE: FileNotFoundError" in found.message
        assert "SSL_CERT_FILE" in found.remedy

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_an_encrypted_key_without_a_password(self, library: Any, certificates: Path) -> None:
        own = {"cert_file": certificates / "own.pem", "cert_key_file": certificates / "own.key"}
        found = self.mistake(library, settings=settings(**own))

        assert "cert_key_password" in found.message
        assert make(library, settings=settings(**own, cert_key_password=PASSWORD))
        assert (
            "cert_file and cert_key_file: SSLError"
            in self.mistake(library, settings=settings(**own, cert_key_password="other")).message
        )

    @pytest.mark.pitfall(id="foreign-mistakes")
    def test_certificates_of_an_option(self, library: Any, certificates: Path) -> None:
        pair = (str(certificates / "own.pem"), str(certificates / "own.key"))

        assert "cert=" in self.mistake(library, cert=pair).message
        assert make(library, cert=(*pair, PASSWORD))
        assert "cert=: FileNotFoundError" in self.mistake(library, cert=str(certificates / "none.pem")).message
        assert "verify=: FileNotFoundError" in self.mistake(library, verify=certificates / "none.pem").message

    def test_a_warning_of_the_library_stays_one(self, library: Any, certificates: Path) -> None:
        with pytest.raises(DeprecationWarning):
            make(library, verify=str(certificates / "own.pem"))

    def test_a_warning_about_a_transport_stays_one(self, library: Any) -> None:
        def warn(**_: Any) -> None:
            raise DeprecationWarning("old")

        deprecating: Any = SimpleNamespace(**{**vars(library), "Client": warn})
        with pytest.raises(DeprecationWarning):
            find_routes(deprecating, {"verify": CONTEXT})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    own = trustme.CA().issue_cert("shop.example")
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    (folder / "own.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return folder


def test_the_transport_of_a_client_is_the_one_that_it_sends_through(library: Any) -> None:
    mock = library.MockTransport(library.Response)

    assert transport_of(library.Client(transport=mock)) is mock
