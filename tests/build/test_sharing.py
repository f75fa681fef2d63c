"""Shared tokens from settings."""

# Private access: that an address allows plain hosts, and that a client listens, shows only with a cluster of Redis servers.

from __future__ import annotations

import base64
import importlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import prio_middleware.httpx
from prio_middleware import ClientSettings, ConfigurationError, Secret, build
from prio_middleware.build import build_provider
from prio_middleware.build import shared_tokens as sharing
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.shared.connection import RedisAddress
from prio_middleware.oauth.shared.keyring import Keyring
from prio_middleware.oauth.shared.redis_store import RedisStore
from prio_middleware.transports.routes import transport_of
from prio_middleware.web import clients as opening
from tests.oauth.helpers import token

OWN = {"client_id": "shop", "client_secret": "s3cret"}
STATIC = {"use": "prio_middleware.oauth.static_token:StaticTokenProvider", "token": "fixed"}
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


def settings(url: str = "redis://localhost:1", **changes: Any) -> ClientSettings:
    return ClientSettings(**{**OWN, "token_store": {"url": url, "encryption_key": KEY}, **changes})


def test_without_a_store_tokens_are_not_shared() -> None:
    assert build_provider(ClientSettings(**OWN)).store_report().kind == "memory"


def test_with_a_store_tokens_are_shared() -> None:
    report = build_provider(settings()).store_report()

    assert (report.kind, report.reachable, report.circuit) == ("redis", None, "closed")


def test_with_a_file_tokens_are_shared_in_it(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/the%20shop/tokens"
    one, other = build_provider(settings(url)), build_provider(settings(url))
    first = one.get_token(DEFAULT_OPTIONS, None, lambda _: token())
    second = other.get_token(DEFAULT_OPTIONS, None, lambda _: pytest.fail("It is in the file."))

    assert (first.value, first.source, second.source) == (second.value, "endpoint", "shared")
    assert [(report.kind, report.hits) for report in (one.store_report(), other.store_report())] == [("file", 0), ("file", 1)]
    assert first.value.reveal() not in (tmp_path / "the shop" / "tokens").read_text()
    third = build_provider(settings(url, client_secret="another"))
    assert third.get_token(DEFAULT_OPTIONS, None, lambda _: token()).source == "endpoint"


def test_clients_of_one_store_share_its_connections_and_what_is_known_of_its_health() -> None:
    one, other = build_provider(settings()), build_provider(settings(client_id="berlin"))
    third = build_provider(settings("redis://localhost:2"))
    one.get_token(DEFAULT_OPTIONS, None, lambda _: token())

    assert [provider.store_report().circuit for provider in (one, other, third)] == ["open", "open", "closed"]
    build.forget()
    assert build_provider(settings()).store_report().circuit == "closed"


@pytest.mark.parametrize("hosts", [(), ("redis", "10.1.0.0/16")])
def test_servers_may_name_the_listed_machines_without_tls(hosts: tuple[str, ...]) -> None:
    table = {"url": "redis://localhost:3", "encryption_key": KEY, "mode": "cluster", "insecure_hosts": hosts}
    build_provider(ClientSettings(**OWN, token_store=table))

    assert [address.insecure_hosts for address in sharing._stores if isinstance(address, RedisAddress)] == [hosts]


def context(**changes: Any) -> ssl.SSLContext:
    made = ssl.create_default_context()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def another_authority() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trustme.CA().configure_trust(made)
    return made


def unverified() -> dict[str, Any]:
    return {"verify": context(check_hostname=False, verify_mode=ssl.CERT_NONE)}


def answering(library: Any) -> Any:
    return library.MockTransport(lambda request: library.Response(200, json={"access_token": "mocked", "token_type": "Bearer"}))


WHOM_WE_TRUST: dict[str, Callable[[Any, tuple[str, str]], dict[str, Any]]] = {
    "no checks": lambda library, pair: {"verify": False},
    "a context without checks": lambda library, pair: unverified(),
    "another authority": lambda library, pair: {"verify": another_authority()},
    "a client certificate": lambda library, pair: {"cert": pair},
    "no trust in the environment": lambda library, pair: {"trust_env": False},
    "a mock": lambda library, pair: {"transport": answering(library)},
    "a mount": lambda library, pair: {"mounts": {"https://": answering(library)}},
    "a token transport": lambda library, pair: {"token_transport": answering(library)},
    "a transport without checks": lambda library, pair: {"transport": library.HTTPTransport(verify=False)},
    "a transport of one's own": lambda library, pair: {"transport": library.HTTPTransport(retries=1)},
}
"""Options that decide which server is believed to be the token endpoint."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    own = trustme.CA().issue_cert("client.example")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.pitfall(id="unverified-token")
def test_clients_that_trust_other_servers_share_no_token(library_name: str, certificate: tuple[str, str]) -> None:
    library = importlib.import_module(library_name)
    module = importlib.import_module(f"prio_middleware.{library_name}")
    keyring = Keyring((Secret(KEY),))
    clients = [module.client(settings=settings(), **own(library, certificate)) for own in WHOM_WE_TRUST.values()]
    verified = module.client(settings=settings())
    providers = [transport_of(one).pipeline.provider for one in (verified, *clients)]
    names = [keyring.names(provider.endpoint, DEFAULT_OPTIONS) for provider in providers]
    for one in (verified, *clients):
        one.close()

    # All mocks stand for one server, whatever they are for: else sync and async clients would share nothing.
    assert len(set(map(id, providers))) == len(set(names)) == len(WHOM_WE_TRUST) + 1 - 2


@pytest.mark.pitfall(id="unverified-token")
def test_a_token_of_a_mock_reaches_no_verified_client(library_name: str) -> None:
    library = importlib.import_module(library_name)
    module = importlib.import_module(f"prio_middleware.{library_name}")
    own = ClientSettings(**OWN)
    with module.client(settings=own, transport=answering(library)) as mocked, module.client(settings=own) as verified:
        transport_of(mocked).authenticate()

        assert transport_of(mocked).pipeline.provider.current(DEFAULT_OPTIONS, None)
        assert transport_of(verified).pipeline.provider.current(DEFAULT_OPTIONS, None) is None


def test_equal_options_share_a_token(certificate: tuple[str, str], subtests: pytest.Subtests) -> None:
    same: dict[str, list[dict[str, Any]]] = {
        "the defaults": [{}, {"verify": True, "cert": None, "trust_env": True}, {"mounts": {"http://localhost": None}}],
        "a context": [{"verify": context()}, {"verify": context()}],
        "a certificate": [{"cert": certificate}, {"cert": certificate}],
        "mocks": [{"transport": answering(httpx)}, {"transport": answering(httpx)}, {"mounts": {"all://": answering(httpx)}}],
    }
    for kind, options in same.items():
        with subtests.test(kind):
            clients = [prio_middleware.httpx.client(settings=settings(), **each) for each in options]
            assert len({id(transport_of(one).pipeline) for one in clients}) == 1
            for one in clients:
                one.close()


@pytest.mark.parametrize("trust_env", [True, False])
def test_readiness_and_status_ask_the_pipeline_of_a_client_without_options(library_name: str, trust_env: bool) -> None:
    own = settings(trust_env=trust_env)
    with importlib.import_module(f"prio_middleware.{library_name}").client(settings=own) as client:
        assert transport_of(client).pipeline is build.pipeline_for(own)


def test_settings_for_another_authority_share_no_token_through_a_store(certificate: tuple[str, str]) -> None:
    public, key = certificate
    keyring = Keyring((Secret(KEY),))
    changes: list[dict[str, Any]] = [{}, {"ca_file": public}, {"cert_file": public, "cert_key_file": key}]

    assert len({keyring.names(build_provider(settings(**each)).endpoint, DEFAULT_OPTIONS) for each in changes}) == len(changes)


def test_new_credentials_stay_with_the_same_trust(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first")
    secret.chmod(0o600)
    own = ClientSettings(client_id="shop", client_secret_file=secret)
    with prio_middleware.httpx.client(settings=own, verify=False) as client:
        provider: Any = transport_of(client).pipeline.provider
        before = provider.endpoint.trust
        secret.write_text("the second one")
        provider.get_token(DEFAULT_OPTIONS, None, lambda _: token())

        assert provider.endpoint.trust == before != ()


@pytest.mark.parametrize(
    ("url", "package", "extra"), [("redis://localhost:1", "redis", "redis"), ("file:///tmp/tokens", "filelock", "file")]
)
def test_without_the_extra_the_client_cannot_be_made(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf"prio-middleware\[{extra}\]") as caught:
        build.build_pipeline(settings(url))

    assert caught.value.client == "default"


def test_a_process_that_is_here_to_stay_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    listening: list[object] = []
    monkeypatch.setattr(RedisStore, "listen", lambda self, dropped: listening.append(dropped))
    opening.listen(settings())
    opening.listen(ClientSettings(**OWN))
    opening.listen(ClientSettings(**OWN, pipeline=["https_enforcer", "origin_guard", STATIC, "header_injector"]))

    assert len(listening) == 1


def test_a_client_that_checks_no_certificate_says_so(library_name: str, caplog: pytest.LogCaptureFixture) -> None:
    module = importlib.import_module(f"prio_middleware.{library_name}")
    module.client(settings=ClientSettings(**OWN)).close()
    assert caplog.records == []
    module.client(settings=ClientSettings(**OWN), verify=False).close()
    assert [getattr(record, "prio_event", None) for record in caplog.records] == ["certificates_not_checked"]
    assert "token endpoint" in caplog.text
