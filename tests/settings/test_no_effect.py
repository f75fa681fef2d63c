"""Settings that have no effect on the client where they are written are errors; what a client inherits is none."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Settings
from prio_middleware.settings.checks import RULES
from prio_middleware.settings.client import KEYS
from prio_middleware.settings.models import Application, BudgetGuardTable
from prio_middleware.settings.token_store import TokenStore

OWN: dict[str, Any] = {"client_id": "shop", "client_secret": "s"}
KEY: dict[str, Any] = {"client_id": "shop", "private_key": "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"}
API = "https://a.example"
OTHER: dict[str, Any] = {"preset": "rfc6749", "base_url": API, "token_url": f"{API}/token"}
GUARDED = ["https_enforcer", "origin_guard", "token_provider", "header_injector"]
BARE = ["token_provider", "header_injector"]
WAIVED: dict[str, Any] = {"pipeline": BARE, "waive": ["https_enforcer", "origin_guard"]}
VAULT: dict[str, Any] = {"pipeline": ["https_enforcer", "origin_guard", "my:Vault", "header_injector"]}
STORE: dict[str, Any] = {"url": "redis://localhost", "encryption_key": base64.urlsafe_b64encode(b"k" * 32).decode()}

PAIRS: list[tuple[str, dict[str, Any], str]] = [
    ("allowed_origins", {**WAIVED, "allowed_origins": ["https://b.example"]}, '["origin_guard", "token_provider"'),
    ("foreign_origins", {**WAIVED, "foreign_origins": "refuse"}, '["origin_guard", "token_provider"'),
    ("loopback_http_hosts", {**WAIVED, "loopback_http_hosts": "localhost"}, '["https_enforcer", "token_provider"'),
    ("app", {"pipeline": GUARDED, "app": {"name": "Shop"}}, '"origin_guard", "application_info", "token_provider"'),
    ("budget_guard", {"pipeline": GUARDED, "budget_guard": {}}, '["https_enforcer", "budget_guard", "origin_guard"'),
    ("scope", {**VAULT, "scope": "read"}, '"my:Vault", "token_provider", "header_injector"]'),
    ("failure_cooldown", {**VAULT, "failure_cooldown": 3}, "token_provider"),
    ("environment", {**OTHER, "environment": "sandbox"}, "'base_url'"),
    ("version", {**OTHER, "version": "v1"}, "'base_url'"),
    ("allowed_token_origins", {"allowed_token_origins": ["https://b.example"]}, "'allowed_origins'"),
    ("basic_encoding", {"client_auth": "client_secret_post", "basic_encoding": "raw"}, "'client_secret_basic'"),
    ("basic_encoding", {**KEY, "basic_encoding": "form"}, "'client_secret_basic'"),
    ("key_id", {"key_id": "k1"}, "private_key"),
    ("algorithm", {"algorithm": "ES256"}, "private_key"),
    ("assertion_audience", {"assertion_audience": API}, "'audience'"),
    ("issuer", {"issuer": API}, "'discovery = true'"),
    ("issuer", {**VAULT, "issuer": API}, "token_provider"),
    ("issuer", {**KEY, "issuer": API, "assertion_audience": API}, "one of them"),
    ("refresh", {"refresh": "ahead", "leeway_fraction": 0}, "'on_expiry'"),
    ("refresh", {"refresh": "ahead", "leeway_max": 0}, "'on_expiry'"),
    ("leeway_max", {"leeway_fraction": 0, "leeway_max": 5}, "leeway_fraction"),
    ("leeway_fraction", {"leeway_fraction": 0.2, "leeway_max": 0}, "leeway_max"),
    ("leeway_jitter", {"leeway_jitter": 0.2, "leeway_max": 0}, "leeway_max"),
    ("cert_key_file", {"cert_key_file": __file__}, "'cert_file'"),
    ("cert_key_password", {"cert_key_password": "canary"}, "'cert_file'"),
    ("max_keepalive_connections", {"max_keepalive_connections": 9, "max_connections": 3}, "'max_connections'"),
    ("token_store.nodes", {"token_store": {**STORE, "nodes": "localhost:2"}}, "'cluster'"),
    ("token_store.service", {"token_store": {**STORE, "service": "shop"}}, "'sentinel'"),
    ("token_store.ca_file", {"token_store": {**STORE, "ca_file": __file__}}, "'ca_file'"),
    (
        "token_store.insecure_hosts",
        {"token_store": {**STORE, "url": "rediss://b.example", "insecure_hosts": "b.example"}},
        "redis://",
    ),
    ("budget_guard.share", {**OTHER, "budget_guard": {"share": 0.5}}, "requests"),
    ("budget_guard.in_flight", {**OTHER, "budget_guard": {"requests": 9, "in_flight": False}}, "client_errors"),
]


def own(values: dict[str, Any]) -> dict[str, Any]:
    """With credentials."""
    return dict(values) if "private_key" in values else {**OWN, **values}


def problems(error: ConfigurationError) -> list[str]:
    return error.message.strip().removeprefix("The settings are invalid:").strip().removeprefix("- ").split("\n  - ")


@pytest.mark.pitfall(id="settings-without-effect")
def test_what_has_no_effect_is_an_error_that_says_what_may_be_meant(subtests: pytest.Subtests) -> None:
    for key, values, meant in PAIRS:
        with subtests.test(f"{key} {values}"):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**own(values))

            [problem] = problems(caught.value)
            assert problem.startswith(f"{key}: ")
            _, did_you_mean, hint = problem.partition("did you mean ")
            assert did_you_mean
            assert meant in hint
            assert "canary" not in problem


INHERITED = [(key, values) for key, values, _ in PAIRS if key != "key_id"]  # That is never inherited.


def test_what_a_client_merely_inherits_is_no_error(subtests: pytest.Subtests) -> None:
    for key, values in INHERITED:
        with subtests.test(f"{key} {values}"):
            """The setting stands at the top level, for others, and what makes it pointless in the table of one client."""
            table, _, within = key.partition(".")
            top, client = dict(values), own(values)
            if within:
                top = {table: {within: top[table][within]}}
                client[table] = {name: value for name, value in client[table].items() if name != within}
            else:
                top = {table: top[table]}
                del client[table]

            settings = Settings.from_values(**top, clients={"berlin": client})
            assert settings.client("berlin").name == "berlin"


WITH_EFFECT: list[dict[str, Any]] = [
    {"pipeline": GUARDED, "foreign_origins": "refuse", "loopback_http_hosts": "localhost", "scope": "read"},
    {"pipeline": GUARDED, "app": {}},
    {"app": {"name": "Shop"}, "budget_guard": {}},
    {**WAIVED, **OTHER, "base_url": "http://localhost:1", "loopback_http_hosts": "localhost"},
    {**KEY, "key_id": "k1", "algorithm": "ES256", "assertion_audience": API},
    {**KEY, "issuer": API},
    {**OTHER, "token_url": None, "discovery": True, "issuer": API, "allowed_token_origins": API},
    {"refresh": "on_expiry", "leeway_fraction": 0, "leeway_max": 0, "leeway_jitter": 0},
    {"key_id": None, "allowed_token_origins": (), "cert_key_file": None},
    {"cert_file": __file__, "cert_key_file": __file__, "cert_key_password": "s"},
    {"max_connections": 3},
    {"max_keepalive_connections": 3},
    {"token_store": {**STORE, "url": "rediss://one", "mode": "sentinel", "nodes": "two:2", "service": "shop"}},
    {"budget_guard": {"share": 0.5, "in_flight": False}},
    {"budget_guard": BudgetGuardTable(share=0.5), "app": Application(name="Shop")},
    {**OTHER, "budget_guard": BudgetGuardTable(client_errors=3), "token_store": TokenStore(**STORE)},
]


def test_what_has_an_effect_is_none(subtests: pytest.Subtests) -> None:
    for values in WITH_EFFECT:
        with subtests.test(str(values)):
            given = {key: value for key, value in values.items() if (key, value) != ("token_url", None)}
            assert ClientSettings(**own(given)).client_id == "shop"


def test_models_in_place_of_tables_are_checked() -> None:
    with pytest.raises(ConfigurationError, match=r"budget_guard\.share: .*did you mean"):
        ClientSettings(**OWN, **OTHER, budget_guard=BudgetGuardTable(share=0.5))


@pytest.mark.pitfall(id="settings-without-effect")
def test_everything_is_told_at_once_and_where_it_stands(
    write: Callable[[str, str], Path], complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIO_ALGORITHM", "ES256")
    write(
        "prio.toml",
        'client_id = "shop"\nclient_secret = "s"\ncert_key_password = "p"\npipeline = ["token_provider", "header_injector"]\n'
        '[app]\nname = "Shop"\n'
        '[clients.berlin]\nclient_id = "b"\nclient_secret = "s"\nleeway_max = 0\nleeway_jitter = 0.1\n',
    )
    told = [line.strip("- ").split(": ")[:2] for line in complaint().splitlines() if line.startswith("  - ")]

    assert told == [
        ["prio.toml", "pipeline"],
        ["prio.toml", "app"],
        ["PRIO_ALGORITHM", "client_auth 'client_secret_basic' does not use it"],
        ["prio.toml", "cert_key_password"],
        ["prio.toml", "clients.berlin.leeway_jitter"],
    ]


@pytest.mark.parametrize(
    ("clients", "refused"),
    [({"berlin": KEY}, False), ({"default": OWN}, False), ({"default": {"scope": "a"}, "berlin": KEY}, False), ({}, True)],
)
def test_the_top_level_is_the_default_clients_own_where_it_describes_it(clients: dict[str, Any], *, refused: bool) -> None:
    top = {"algorithm": "ES256", **({} if clients else OWN)}
    if "default" in clients and "client_id" not in clients["default"]:
        clients = {**clients, "default": {**clients["default"], **OWN}}
    if refused:
        with pytest.raises(ConfigurationError, match="algorithm"):
            Settings.from_values(**top, clients=clients)
    else:
        assert Settings.from_values(**top, clients=clients).clients.keys() == clients.keys()


def test_credentials_of_a_higher_source_take_what_belongs_to_the_others_with_them(
    write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("key.pem", KEY["private_key"])
    write("prio.toml", 'client_id = "shop"\nprivate_key_file = "key.pem"\nalgorithm = "ES256"\nkey_id = "k1"\n')
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "s")
    client = Settings().client()

    assert (client.client_auth, client.algorithm, client.key_id) == ("client_secret_basic", None, None)


def test_a_key_beside_a_secret_of_a_higher_source_stays_an_error(
    write: Callable[[str, str], Path], complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("prio.toml", 'client_id = "shop"\nalgorithm = "ES256"\n')
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "s")

    assert "prio.toml: algorithm: " in complaint()


ALWAYS = {
    # who and where
    *("preset", "base_url", "discovery", "token_url", "client_id", "client_auth", "provider", "token_file"),
    *("client_secret", "client_secret_file", "private_key", "private_key_file"),
    # connections: each of them bounds or opens something by itself
    *("library", "keep_cookies"),
    *("connect_timeout", "read_timeout", "write_timeout", "pool_timeout", "max_connections", "keepalive_expiry"),
    *("http2", "proxy", "trust_env", "ca_file", "cert_file"),
    # metrics of the process
    "metric_client_limit",
    # their own checks
    *("pipeline", "waive"),
    *("token_store.url", "token_store.mode", "token_store.encryption_key", "token_store.encryption_key_file"),
    *("token_store.lease", "budget_guard.enforce", "budget_guard.client_errors", "budget_guard.requests"),
    # sent as they are
    *(f"app.{name}" for name in Application.model_fields),
}
"""Settings that need no other one to have an effect."""


def test_every_setting_was_thought_of() -> None:
    every = {".".join((*table, key)) for table, keys in KEYS.items() for key in keys}
    in_table = {key for rule in RULES for key in rule.keys.split()}

    assert every == in_table | ALWAYS
    assert in_table & ALWAYS == set()
