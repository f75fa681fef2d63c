"""``issuer`` with ``discovery = true``, in place of ``token_url``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Settings

ISSUER = "https://id.example.com/tenant/"
OWN = {"client_id": "shop", "client_secret": "s"}
RFC = {**OWN, "preset": "rfc6749", "base_url": "https://api.example.com"}


PRESETS: list[dict[str, Any]] = [OWN, RFC]


def test_an_issuer_replaces_the_token_url(subtests: pytest.Subtests) -> None:
    for values in PRESETS:
        with subtests.test(str(values)):
            client = ClientSettings(**values, issuer=ISSUER, discovery=True)

            assert (client.issuer, client.discovery, client.token_url) == (ISSUER, True, "")
            assert client.token_server_url == ISSUER


ISSUERS: list[str] = [
    "https://id.example.com",
    "https://id.example.com/",
    "https://ID.example.com:443/a/../b/",
    "https://id.example.com/%74enant",
]


def test_not_a_character_of_it_changes(subtests: pytest.Subtests) -> None:
    for issuer in ISSUERS:
        with subtests.test(str(issuer)):
            assert ClientSettings(**RFC, issuer=issuer, discovery=True).issuer == issuer


def test_plain_http_is_for_loopback_hosts_that_are_named() -> None:
    local = "http://127.0.0.1:8000"
    client = ClientSettings(
        **RFC, issuer=local, discovery=True, allowed_token_origins="http://127.0.0.1:9000", loopback_http_hosts="127.0.0.1"
    )

    assert (client.issuer, client.allowed_token_origins) == (local, ("http://127.0.0.1:9000",))


DISCOVERY = {"issuer": ISSUER, "discovery": True}
TOKEN_URL = "https://id.example.com/token"

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "id.example.com"}, "issuer: expected a URL such as"),
    ({"issuer": "https://user:pw@id.example.com"}, "issuer: expected a URL such as"),
    ({"issuer": "ftp://id.example.com"}, "issuer: expected a URL such as"),
    ({"issuer": "https://id.example.com?tenant=1"}, "issuer: expected an issuer identifier"),
    ({"issuer": "https://id.example.com?"}, "issuer: expected an issuer identifier"),
    ({"issuer": "https://id.example.com#"}, "issuer: expected an issuer identifier"),
    ({"issuer": "https://id.example.com#a"}, "issuer: expected a URL without a fragment"),
    ({"issuer": ""}, "issuer: expected a value, found an empty one"),
    ({"issuer": "https://id.example.com\r\n"}, "issuer: expected one line of text"),
    ({"issuer": 3}, "issuer: expected a valid string"),
    ({"issuer": "http://id.example.com"}, "issuer: expected https://"),
    ({"issuer": "http://127.0.0.1:8000"}, "issuer: expected https://"),
    ({"issuer": None}, "issuer: missing; discovery reads the metadata of this issuer"),
    ({"discovery": ISSUER}, "discovery: expected a valid boolean"),
    ({"token_url": TOKEN_URL}, "token_url: conflicts with discovery, which finds it"),
    ({"discovery": False}, "token_url: missing; preset 'rfc6749' has no default, and discovery is not true"),
    ({"discovery": False, "token_url": TOKEN_URL}, "issuer: client_auth 'client_secret_basic' does not use it"),
    ({"allowed_token_origins": ["http://t.example"]}, "allowed_token_origins: expected https://"),
    ({"allowed_token_origins": ["wss://t.example"]}, "allowed_token_origins"),
    ({"allowed_token_origins": ["https://t.example/t"]}, "expected an origin without a path"),
    (
        {"issuer": None, "discovery": False, "token_url": TOKEN_URL, "allowed_token_origins": ["https://t.example"]},
        "allowed_token_origins: only discovery uses it",
    ),
    ({"discovry": True}, "did you mean 'discovery'?"),
]


def test_mistakes(subtests: pytest.Subtests) -> None:
    for values, expected in MISTAKES:
        with subtests.test(str((values, expected))):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**{**RFC, **DISCOVERY, **values})

            assert expected in str(caught.value)


def test_a_mistake_in_it_is_the_only_one_that_is_reported() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(**RFC, issuer="id.example.com", discovery=True)

    assert "token_url" not in str(caught.value)


def test_an_issuer_alone_does_not_turn_it_on() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"
    credentials = {"client_id": "shop", "private_key": key, "client_auth": "private_key_jwt"}
    client = ClientSettings(
        preset="rfc6749", base_url="https://api.example.com", token_url=TOKEN_URL, issuer=ISSUER, **credentials
    )

    assert (client.discovery, client.token_server_url) == (False, TOKEN_URL)


def test_variables_spell_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLIENT_ID": "shop", "CLIENT_SECRET": "s", "ISSUER": ISSUER, "DISCOVERY": "true"}.items():
        monkeypatch.setenv(f"PRIO_{name}", value)
    monkeypatch.setenv("PRIO_ALLOWED_TOKEN_ORIGINS", "https://a.example, https://b.example")
    client = Settings().client()

    assert (client.issuer, client.discovery) == (ISSUER, True)
    assert client.allowed_token_origins == ("https://a.example", "https://b.example")


TOML = """
preset = "rfc6749"
base_url = "https://api.example.com"
client_id = "shop"
client_secret = "s"
"""


FOUND = f'issuer = "{ISSUER}"\ndiscovery = true\n'
OLD = 'token_url = "https://old.example/t"\n'
PRIO_TOKEN_URL = "https://sandbox-distributor-api.prioticket.com/v3.8/distributor/oauth2/token"

PRECEDENCE: dict[str, tuple[str, dict[str, Any], tuple[str | None, bool, str]]] = {
    "discovery over token_url": (OLD, DISCOVERY, (ISSUER, True, "")),
    "discovery as text": (OLD, {"issuer": ISSUER, "discovery": "yes"}, (ISSUER, True, "")),
    "no discovery over token_url": (OLD, {"discovery": False}, (None, False, "https://old.example/t")),
    "no discovery as text": (OLD, {"discovery": "False"}, (None, False, "https://old.example/t")),
    "token_url over discovery": (
        f'{FOUND}allowed_token_origins = ["https://t.example"]',
        {"token_url": "https://new.example/t"},
        (None, False, "https://new.example/t"),
    ),
    "environment over discovery": (
        FOUND,
        {"preset": "prio", "environment": "sandbox"},
        (None, False, PRIO_TOKEN_URL),
    ),
    "another issuer": (FOUND, {"issuer": "https://new.example"}, ("https://new.example", True, "")),
}


@pytest.mark.parametrize(("below", "above", "expected"), PRECEDENCE.values(), ids=PRECEDENCE)
def test_a_higher_source_removes_keys_of_the_same_meaning(
    write: Callable[[str, str], Path], below: str, above: dict[str, Any], expected: tuple[str | None, bool, str]
) -> None:
    write("prio.toml", TOML + below)
    client = Settings(**above).client()

    assert (client.issuer, client.discovery, client.token_url) == expected


def test_a_named_client_has_a_token_url_of_its_own(write: Callable[[str, str], Path]) -> None:
    own = '\n[clients.berlin]\nclient_id = "b"\nclient_secret = "s"\ntoken_url = "https://berlin.example/t"\n'
    write("prio.toml", f'{TOML}{FOUND}allowed_token_origins = ["https://t.example"]\n{own}')
    settings = Settings()

    assert settings.client().discovery
    assert (settings.client("berlin").discovery, settings.client("berlin").token_url) == (False, "https://berlin.example/t")
