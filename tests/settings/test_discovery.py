"""``discovery`` in place of ``token_url``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Settings

ISSUER = "https://id.example.com/tenant/"
OWN = {"client_id": "shop", "client_secret": "s"}
RFC = {**OWN, "preset": "rfc6749", "base_url": "https://api.example.com"}


@pytest.mark.parametrize("values", [OWN, RFC])
def test_it_stands_in_place_of_the_token_url(values: dict[str, Any]) -> None:
    client = ClientSettings(**values, discovery=ISSUER)

    assert (client.discovery, client.token_url) == (ISSUER, "")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example.com",
        "https://id.example.com/",
        "https://ID.example.com:443/a/../b/",
        "https://id.example.com/%74enant",
    ],
)
def test_not_a_character_of_it_changes(issuer: str) -> None:
    assert ClientSettings(**RFC, discovery=issuer).discovery == issuer


def test_plain_http_is_for_loopback_hosts_that_are_named() -> None:
    local = "http://127.0.0.1:8000"
    client = ClientSettings(
        **RFC, discovery=local, allowed_token_origins="http://127.0.0.1:9000", loopback_http_hosts="127.0.0.1"
    )

    assert (client.discovery, client.allowed_token_origins) == (local, ("http://127.0.0.1:9000",))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"discovery": "id.example.com"}, "discovery: expected a URL such as"),
        ({"discovery": "https://user:pw@id.example.com"}, "discovery: expected a URL such as"),
        ({"discovery": "ftp://id.example.com"}, "discovery: expected a URL such as"),
        ({"discovery": "https://id.example.com?tenant=1"}, "discovery: expected an issuer identifier"),
        ({"discovery": "https://id.example.com?"}, "discovery: expected an issuer identifier"),
        ({"discovery": "https://id.example.com#"}, "discovery: expected an issuer identifier"),
        ({"discovery": "https://id.example.com#a"}, "discovery: expected a URL without a fragment"),
        ({"discovery": ""}, "discovery: expected a value, found an empty one"),
        ({"discovery": "https://id.example.com\r\n"}, "discovery: expected one line of text"),
        ({"discovery": 3}, "discovery: expected a valid string"),
        ({"discovery": "http://id.example.com"}, "discovery: expected https://"),
        ({"discovery": "http://127.0.0.1:8000"}, "discovery: expected https://"),
        ({"discovery": ISSUER, "token_url": "https://id.example.com/token"}, "token_url: discovery is given too, and finds it"),
        ({"discovery": ISSUER, "issuer": "https://id.example.com"}, "issuer: discovery names another one"),
        ({"discovery": ISSUER, "allowed_token_origins": ["http://t.example"]}, "allowed_token_origins: expected https://"),
        ({"discovery": ISSUER, "allowed_token_origins": ["https://t.example/t"]}, "expected an origin without a path"),
        (
            {"token_url": "https://id.example.com/token", "allowed_token_origins": ["https://t.example"]},
            "allowed_token_origins: only discovery has a use for it",
        ),
        ({"discovry": ISSUER}, "did you mean 'discovery'?"),
    ],
)
def test_mistakes(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(**RFC, **values)

    assert expected in str(caught.value)


def test_a_mistake_in_it_is_the_only_one_that_is_reported() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(**RFC, discovery="id.example.com")

    assert "token_url" not in str(caught.value)


def test_naming_the_issuer_twice_is_no_contradiction() -> None:
    assert ClientSettings(**RFC, discovery=ISSUER, issuer=ISSUER).issuer == ISSUER


def test_variables_spell_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLIENT_ID": "shop", "CLIENT_SECRET": "s", "DISCOVERY": ISSUER}.items():
        monkeypatch.setenv(f"PRIO_{name}", value)
    monkeypatch.setenv("PRIO_ALLOWED_TOKEN_ORIGINS", "https://a.example, https://b.example")
    client = Settings().client()

    assert client.discovery == ISSUER
    assert client.allowed_token_origins == ("https://a.example", "https://b.example")


TOML = """
preset = "rfc6749"
base_url = "https://api.example.com"
client_id = "shop"
client_secret = "s"
"""


@pytest.mark.parametrize(
    ("below", "above", "discovery", "token_url"),
    [
        ('token_url = "https://old.example/t"\nissuer = "https://old.example"', {"discovery": ISSUER}, ISSUER, ""),
        (
            f'discovery = "{ISSUER}"\nallowed_token_origins = ["https://t.example"]',
            {"token_url": "https://new.example/t"},
            None,
            "https://new.example/t",
        ),
        (
            f'discovery = "{ISSUER}"',
            {"preset": "prio", "environment": "sandbox"},
            None,
            "https://sandbox-distributor-api.prioticket.com/v3.8/distributor/oauth2/token",
        ),
        (f'discovery = "{ISSUER}"', {"discovery": "https://new.example"}, "https://new.example", ""),
    ],
    ids=["discovery over token_url", "token_url over discovery", "environment over discovery", "another issuer"],
)
def test_a_higher_source_does_away_with_what_says_the_same(
    write: Callable[[str, str], Path], below: str, above: dict[str, Any], discovery: str | None, token_url: str
) -> None:
    write("prio.toml", TOML + below)
    client = Settings(**above).client()

    assert (client.discovery, client.token_url) == (discovery, token_url)


def test_a_named_client_has_a_token_url_of_its_own(write: Callable[[str, str], Path]) -> None:
    own = '\n[clients.berlin]\nclient_id = "b"\nclient_secret = "s"\ntoken_url = "https://berlin.example/t"\n'
    write("prio.toml", f'{TOML}discovery = "{ISSUER}"\nallowed_token_origins = ["https://t.example"]\n{own}')
    settings = Settings()

    assert settings.client().discovery == ISSUER
    assert (settings.client("berlin").discovery, settings.client("berlin").token_url) == (None, "https://berlin.example/t")
