"""TLS contexts that clients with equal TLS settings share, and those that they must not share."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import prio_middleware.httpx
import prio_middleware.httpx2
from prio_middleware import Settings
from prio_middleware.settings import ClientSettings
from prio_middleware.transports.tls import shared_tls_context
from tests.transports.library_privates import tls_context_of, transport_of


def tenant(number: int = 0, **values: Any) -> ClientSettings:
    account = {"client_id": f"tenant-{number}", "client_secret": "s3cret", "base_url": "https://api.example"}
    return ClientSettings(name=f"tenant-{number}", preset="rfc6749", token_url="https://api.example/token", **account, **values)


def context_of(client: Any) -> ssl.SSLContext:
    return tls_context_of(transport_of(client).inner)


def opened(settings: ClientSettings | None = None, **options: Any) -> ssl.SSLContext:
    return context_of(prio_middleware.httpx.client(settings=settings or tenant(), **options))


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    renew(tmp_path)
    return tmp_path


def renew(folder: Path, name: str = "tenant.example") -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")


@pytest.mark.pitfall(id="tls-context-per-client")
def test_many_clients_have_one_context() -> None:
    every = [tenant(number) for number in range(50)]
    clients = [prio_middleware.httpx.client(settings=settings) for settings in every]
    assert len({id(context_of(client)) for client in clients}) == 1


def test_sync_and_async_clients_share_one_context() -> None:
    assert context_of(prio_middleware.httpx.async_client(settings=tenant())) is opened()


@pytest.mark.pitfall(id="tls-context-per-client")
def test_clients_with_the_same_certificate_files_share_one_that_reloads_them(certificates: Path) -> None:
    files: dict[str, Any] = {"ca_file": certificates / "ca.pem", "cert_file": certificates / "own.pem"}
    assert opened(tenant(1, **files)) is opened(tenant(2, **files))


@pytest.mark.pitfall(id="tls-context-per-client")
def test_http_1_and_http_2_do_not_share_the_protocols_that_they_offer(certificates: Path) -> None:
    files: dict[str, Any] = {"ca_file": certificates / "ca.pem"}
    every: tuple[dict[str, Any], ...] = ({}, files)
    for settings in every:
        plain, both = opened(tenant(**settings)), opened(tenant(**settings), http2=True)
        assert plain is not both
        assert both is opened(tenant(http2=True, **settings))
        assert plain is opened(tenant(http2=True, **settings), http2=False)
        assert opened(tenant(**settings), http1=False, http2=True) not in (plain, both)


OTHER: dict[str, Callable[[Path], dict[str, Any]]] = {
    "no checks": lambda _: {"verify": False},
    "no environment": lambda _: {"trust_env": False},
    "a client certificate": lambda folder: {"cert": str(folder / "own.pem")},
    "a client certificate with a password": lambda folder: {"cert": (str(folder / "own.pem"), None, "s3cret")},
}


@pytest.mark.filterwarnings("ignore:.cert=:DeprecationWarning", "ignore:.verify=:DeprecationWarning")
@pytest.mark.parametrize("different", OTHER.values(), ids=OTHER)
def test_other_options_make_another_context(different: Callable[[Path], dict[str, Any]], certificates: Path) -> None:
    assert opened(**different(certificates)) is not opened()


def test_clients_without_checks_share_one() -> None:
    assert opened(tenant(1), verify=False) is opened(tenant(2), verify=False)


def test_a_context_of_the_caller_is_used_as_it_is() -> None:
    given = ssl.create_default_context()
    assert opened(verify=given) is given


def test_the_libraries_share_nothing() -> None:
    assert context_of(prio_middleware.httpx2.client(settings=tenant())) is not opened()


@pytest.mark.pitfall(id="tls-context-per-client")
def test_renewed_files_make_a_new_context(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    before = opened()
    assert opened() is before
    renew(certificates)
    assert opened() is not before


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
def test_a_variable_that_changes_makes_a_new_context(
    variable: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    before = opened()
    target = {"SSL_CERT_FILE": certificates / "ca.pem", "SSL_CERT_DIR": certificates, "SSLKEYLOGFILE": certificates / "keys"}
    monkeypatch.setenv(variable, str(target[variable]))
    assert opened() is not before


def test_a_process_shares_none_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert opened() is not before


def test_the_number_that_is_kept_is_bounded() -> None:
    made = [shared_tls_context((number,), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), limit=2) for number in range(3)]
    again = [shared_tls_context((number,), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), limit=2) for number in (2, 1, 0)]
    assert [one in made for one in again] == [True, True, False]


def test_clients_of_one_file_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [f'[clients.t{number}]\nclient_id = "t{number}"\nclient_secret = "s3cret"' for number in range(20)]
    common = 'preset = "rfc6749"\nbase_url = "https://api.example"\ntoken_url = "https://api.example/token"'
    (tmp_path / "prio.toml").write_text("\n".join(f"{table}\n{common}" for table in tables))
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert len({id(opened(settings.client(f"t{number}"))) for number in range(20)}) == 1


def test_an_error_is_not_kept(certificates: Path) -> None:
    settings = tenant(ca_file=certificates / "ca.pem")
    (certificates / "ca.pem").write_text("junk")
    with pytest.raises(Exception, match="ca_file"):
        opened(settings)
    renew(certificates)
    assert isinstance(opened(settings), ssl.SSLContext)


def test_a_private_copy_of_the_library_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened()
    monkeypatch.setattr(httpx, "create_ssl_context", partial(httpx.create_ssl_context))
    assert opened() is not before
