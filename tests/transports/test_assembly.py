"""Every way out of a client leads through the pipeline, and every option gets where it belongs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.transports.assembly import assemble
from prio_middleware.transports.environment import environment_proxies

PROXY_VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def make(options: dict[str, Any], configured: dict[str, Any] | None = None) -> dict[str, Any]:
    return assemble(
        options, configured or {}, lambda **inner: ("inner", inner), lambda inner: ("wrapped", inner), client="shop"
    )


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_the_transports_options_reach_it_and_the_clients_stay() -> None:
    made = make({"verify": False, "http2": True, "headers": {"a": "b"}}, {"limits": "few", "timeout": None})

    assert made["transport"] == ("wrapped", ("inner", {"verify": False, "http2": True, "limits": "few"}))
    assert made["headers"] == {"a": "b"}
    assert made["timeout"] is None
    assert "verify" not in made


def test_a_transport_that_is_given_is_wrapped_and_the_settings_for_it_do_not_count() -> None:
    made = make({"transport": "mine"}, {"limits": "few", "proxy": "http://proxy"})

    assert made["transport"] == ("wrapped", "mine")
    assert made["mounts"] == {}


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_mounts_are_wrapped_too() -> None:
    assert make({"mounts": {"all://a": "mine", "all://b": None}})["mounts"] == {"all://a": ("wrapped", "mine"), "all://b": None}


def test_no_mounts_at_all_is_none_too() -> None:
    assert make({"mounts": None})["mounts"] == {}


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_the_environments_proxies_are_wrapped_transports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    made = make({"http2": True})

    assert made["mounts"] == {
        "https://": ("wrapped", ("inner", {"http2": True, "proxy": "http://proxy.example:3128"})),
        "all://*internal.example": None,
    }


@pytest.mark.parametrize("options", [{"trust_env": False}, {"proxy": "http://own"}, {"transport": "mine"}])
def test_the_environments_proxies_do_not_count_when(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")

    assert make(options)["mounts"] == {}


@pytest.mark.parametrize(("name", "value"), [("auth", ("a", "b")), ("base_url", "https://elsewhere")])
def test_an_option_that_would_replace_what_is_ours_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}= is not an option") as caught:
        make({name: value})

    assert caught.value.client == "shop"


@pytest.mark.pitfall(id="bypassed-pipeline")
def test_an_option_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="proxy=, verify= would be ignored"):
        make({"transport": "mine", "verify": False, "proxy": "http://proxy"})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"NO_PROXY": "a.example"}, {}),
        ({"ALL_PROXY": "socks5://p", "HTTP_PROXY": "p:1"}, {"all://": "socks5://p", "http://": "http://p:1"}),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*"}, {}),
        (
            {"ALL_PROXY": "http://p", "NO_PROXY": "localhost, 10.0.0.1,::1, [::2] ,.a.example,http://b.example,"},
            {
                "all://": "http://p",
                "all://localhost": None,
                "all://10.0.0.1": None,
                "all://[::1]": None,
                "all://[::2]": None,
                "all://*.a.example": None,
                "http://b.example": None,
            },
        ),
    ],
)
def test_the_environments_proxies(
    variables: dict[str, str], expected: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert environment_proxies() == expected


@pytest.mark.parametrize(("options", "configured"), [({"http2": True}, {}), ({}, {"http2": True})])
def test_http2_without_its_package_is_noticed_when_the_client_is_made(
    options: dict[str, Any], configured: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ConfigurationError, match="h2 is not installed") as caught:
        make(options, configured)

    assert caught.value.client == "shop"
    assert "pip install h2" in caught.value.remedy


def test_http2_that_is_off_or_the_given_transports_own_affair_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)

    assert make({"http2": False}, {"http2": True})["transport"] == ("wrapped", ("inner", {"http2": False}))
    assert make({"transport": "mine"}, {"http2": True})["transport"] == ("wrapped", "mine")
