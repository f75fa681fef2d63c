"""Clients and pipelines from settings."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from prio_middleware import AccessToken, ConfigurationError, Pipeline, Secret, build
from prio_middleware.build.client_options import client_options
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.settings import ClientSettings, Settings
from tests.oauth import helpers


def settings(**changes: Any) -> ClientSettings:
    return ClientSettings(**{"client_id": "shop", "client_secret": "s3cret", "environment": "sandbox", **changes})


@pytest.mark.pitfall(id="crowded-pool")
def test_equal_settings_share_a_pipeline_and_others_do_not() -> None:
    assert build.pipeline_for(settings()) is build.pipeline_for(settings())
    assert build.pipeline_for(settings()) is not build.pipeline_for(settings(client_secret="other"))


def test_the_number_of_kept_pipelines_is_bounded() -> None:
    first, second, _ = (build.pipeline_for(settings(scope=scope), limit=2) for scope in "123")

    assert build.pipeline_for(settings(scope="2")) is second
    assert build.pipeline_for(settings(scope="1")) is not first


def test_the_default_pipeline_is_in_the_order_that_is_promised() -> None:
    names = [type(component).__name__ for component in build.build_pipeline(settings()).components]

    assert names == [
        "HTTPSEnforcer",
        "OriginGuard",
        "ApplicationInfo",
        "RevocationHandler",
        "ClientCredentialsProvider",
        "HeaderInjector",
    ]


def test_the_scheme_that_is_set_goes_before_the_token() -> None:
    tokens = build.build_provider(settings(token_scheme="JWT"))
    got = tokens.get_token(DEFAULT_OPTIONS, None, lambda _: helpers.token(token_type="jwt"))

    assert got.authorization() == f"JWT {got.value.reveal()}"


class Stamp:
    """Component of a user."""

    def __init__(self, text: str) -> None:
        self.text = text

    def on_request(self, exchange: Any) -> None:
        exchange.headers["X-Stamp"] = self.text


def test_a_declared_pipeline_is_built_as_declared() -> None:
    stamp = {"use": f"{__name__}:Stamp", "text": "hello"}
    names = ["https_enforcer", "origin_guard", stamp, "token_provider", "header_injector"]
    declared = build.build_pipeline(settings(pipeline=names))

    assert isinstance(declared, Pipeline)
    assert [type(component).__name__ for component in declared.components] == [
        "HTTPSEnforcer",
        "OriginGuard",
        "Stamp",
        "ClientCredentialsProvider",
        "HeaderInjector",
    ]
    assert declared.components[2].text == "hello"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"client_id": "a:colon"}, "colon"),
        ({"pipeline": ["https_enforcer", "header_injector"]}, "one token provider"),
        ({"pipeline": ["no_such_thing", "token_provider", "header_injector"]}, "no_such_thing"),
    ],
)
def test_what_cannot_be_built_names_the_client(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        build.build_pipeline(settings(name="berlin", **changes))

    assert caught.value.client == "berlin"


def test_a_plan_takes_client_settings_or_the_name_of_a_client() -> None:
    given = Settings.from_values(client_id="a", client_secret="b", clients={"berlin": {"client_id": "c", "client_secret": "d"}})

    assert build.plan("berlin", given, httpx, {}).name == "berlin"
    assert build.plan(None, given, httpx, {}).name == "default"
    assert build.plan(None, settings(name="x"), httpx, {}).name == "x"
    assert build.plan(None, settings(), httpx, {}).base_url == "https://sandbox-distributor-api.prioticket.com/v3.8/distributor"


def test_without_settings_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRIO_CLIENT_ID", "from the environment")
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "s3cret")

    assert build.plan(None, None, httpx, {}).pipeline.provider.endpoint.auth.client_id == "from the environment"


def test_timeouts_limits_and_proxy_become_the_librarys() -> None:
    options = client_options(settings(read_timeout=7, max_connections=3, proxy="http://user:pw@proxy.example"), httpx)

    assert options["timeout"].read == 7
    assert options["limits"].max_connections == 3
    assert options["proxy"] == Secret("http://user:pw@proxy.example")
    assert "verify" not in options


@pytest.mark.pitfall(id="crowded-pool")
def test_a_request_may_wait_longer_for_the_pool_than_the_library_lets_it() -> None:
    with httpx.Client() as plain:
        assert client_options(settings(), httpx)["timeout"].pool > plain.timeout.pool


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert("shop.example")
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    own.private_key_pem.write_to_path(folder / "own.key")
    (folder / "junk.pem").write_text("junk")
    return folder


def test_a_private_authority_and_a_client_certificate_are_loaded(certificates: Path) -> None:
    both = settings(ca_file=certificates / "ca.pem", cert_file=certificates / "own.pem", cert_key_file=certificates / "own.key")
    context = client_options(both, httpx)["verify"]

    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


def test_a_client_certificate_alone_keeps_the_usual_authorities(certificates: Path) -> None:
    own = settings(cert_file=certificates / "own.pem", cert_key_file=certificates / "own.key")

    assert len(client_options(own, httpx)["verify"].get_ca_certs()) > 1


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_certificates_that_cannot_be_loaded_are_a_mistake_that_names_the_client(certificates: Path, key: str) -> None:
    with pytest.raises(ConfigurationError, match="certificates cannot be loaded") as caught:
        client_options(settings(name="berlin", **{key: certificates / "junk.pem"}), httpx)

    assert caught.value.client == "berlin"
    assert caught.value.__context__ is None


def test_a_token_is_printed_without_its_value() -> None:
    token = AccessToken(build.build_pipeline(settings()).provider.endpoint.auth.client_secret)

    assert "s3cret" not in repr(token)
    assert token.authorization() == "Bearer s3cret"
