"""Assembly of clients: all routes go through the pipeline, and all options reach their target."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import httpx
import pytest

from prio_middleware import ConfigurationError
from prio_middleware.build import Plan
from prio_middleware.settings import Settings
from prio_middleware.transports.client_factory import assemble
from tests.long.e2e.leak import assert_silent
from tests.transports.library_privates import max_connections_of, proxy_of, speaks_http2, tls_context_of
from tests.transports.matrix import BASE, settings

MINE = httpx.MockTransport(lambda _: httpx.Response(200))

CANARY = "kanarie-of-an-option"

PROXY_VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def wrapped(inner: Any, **_: Any) -> Any:
    return ("wrapped", inner)


def plan(configured: dict[str, Any] | None) -> Plan:
    pipeline: Any = None
    return Plan("shop", "https://api.example", pipeline, configured or {})


def make(options: dict[str, Any], configured: dict[str, Any] | None = None) -> dict[str, Any]:
    made = assemble(options, plan(configured), httpx, wrapped)
    assert isinstance(made, dict)
    return made


def mistake(options: dict[str, Any], configured: dict[str, Any] | None = None) -> ConfigurationError:
    made = assemble(options, plan(configured), httpx, wrapped)
    assert isinstance(made, ConfigurationError)
    assert made.client == "shop"
    return made


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_the_transports_options_reach_it_and_the_clients_stay() -> None:
    limits = httpx.Limits(max_connections=3)
    made = make({"verify": False, "http2": True, "headers": {"a": "b"}}, {"limits": limits, "timeout": None})
    mark, transport = made["transport"]

    assert mark == "wrapped"
    assert (max_connections_of(transport), speaks_http2(transport)) == (3, True)
    assert not tls_context_of(transport).check_hostname
    assert made["headers"] == {"a": "b"}
    assert made["timeout"] is None
    assert "verify" not in made


def test_a_transport_that_is_given_is_wrapped_and_the_settings_for_it_do_not_count() -> None:
    made = make({"transport": MINE}, {"limits": "few", "proxy": "http://proxy"})

    assert made["transport"] == ("wrapped", MINE)
    assert made["mounts"] == {}


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_mounts_are_wrapped() -> None:
    assert make({"mounts": {"all://a": MINE, "all://b": None}})["mounts"] == {"all://a": ("wrapped", MINE), "all://b": None}


def test_mounts_may_be_none() -> None:
    assert make({"mounts": None})["mounts"] == {}


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_the_environments_proxies_are_wrapped_transports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    mounts = make({"http2": True})["mounts"]
    mark, transport = mounts["https://"]

    assert set(mounts) == {"https://", "all://*internal.example"}
    assert mounts["all://*internal.example"] is None
    assert mark == "wrapped"
    assert (proxy_of(transport), speaks_http2(transport)) == ("proxy.example", True)


def test_the_environments_proxies_do_not_count_if_it_is_not_trusted_or_a_transport_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")

    assert make({"trust_env": False})["mounts"] == make({"transport": MINE})["mounts"] == {}
    assert make({})["mounts"].keys() == {"all://"}


def test_all_transports_of_a_client_have_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    made = make({})

    assert tls_context_of(made["transport"][1]) is tls_context_of(made["mounts"]["https://"][1])


@pytest.mark.parametrize(("name", "value"), [("auth", ("a", "b")), ("base_url", "https://elsewhere")])
def test_an_option_that_the_library_sets_itself_is_an_error(name: str, value: Any) -> None:
    found = mistake({name: value})

    assert f"{name}=" in found.message
    assert name in found.remedy


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_an_option_that_would_be_ignored_is_refused() -> None:
    found = mistake({"transport": MINE, "verify": False, "proxy": "http://proxy"})

    assert "proxy=, verify=" in found.message
    assert "transport=" in found.remedy


@pytest.mark.pitfall(id="placeholder-options")
@pytest.mark.parametrize("base_url", ["", None, httpx.URL("")])
def test_what_means_not_given_to_the_library_means_it_here(base_url: Any) -> None:
    not_given = {"auth": None, "base_url": base_url, "proxy": None, "cert": None, "headers": None}
    own, *given = (
        make({**not_given, **more}, {"proxy": "http://proxy.example"})
        for more in ({}, {"transport": MINE}, {"transport": MINE, "verify": True, "http1": True, "http2": False})
    )

    assert [proxy_of(transport) for _, transport in own["mounts"].values()] == ["proxy.example"]
    assert [made["transport"] for made in given] == [("wrapped", MINE)] * 2
    for made in (own, *given):
        assert made.keys() == {"base_url", "headers", "transport", "mounts", "trust_env"}


@pytest.mark.pitfall(id="placeholder-options")
@pytest.mark.parametrize("make_client", ["client", "async_client"])
def test_a_factory_that_passes_on_what_it_was_not_given_makes_a_client(library_name: str, make_client: str) -> None:
    """Call a factory as the MCP SDK calls ``httpx_client_factory``: always with all three arguments."""
    face = importlib.import_module(f"prio_middleware.{library_name}")

    def factory(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> Any:
        return getattr(face, make_client)(settings=settings(), headers=headers, timeout=timeout, auth=auth, base_url="")

    assert str(factory(headers={"x": "y"}, timeout=3.0, auth=None).base_url) == f"{BASE}/"


@pytest.mark.parametrize("make_client", ["client", "async_client"])
def test_an_error_of_the_settings_shows_no_option(library_name: str, make_client: str) -> None:
    face = importlib.import_module(f"prio_middleware.{library_name}")
    configured = Settings.from_values(client_id="shop", client_secret="s3cret", environment="sandbox")
    with pytest.raises(ConfigurationError, match="berlin") as caught:
        getattr(face, make_client)("berlin", settings=configured, headers={"X-Key": CANARY})

    assert_silent(caught.value, [CANARY])


@pytest.mark.parametrize(("options", "configured"), [({"http2": True}, {}), ({}, {"http2": True})])
def test_http2_without_its_package_is_noticed_when_the_client_is_made(
    options: dict[str, Any], configured: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    found = mistake(options, configured)

    assert "http2" in found.message
    assert "pip install h2" in found.remedy


def test_http2_that_is_off_or_the_given_transports_own_affair_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)

    assert make({"http2": False}, {"http2": True})["transport"][0] == "wrapped"
    assert make({"transport": MINE}, {"http2": True})["transport"] == ("wrapped", MINE)
