"""Providers from settings with ``discovery``."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from prio_middleware.build import build_provider
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from prio_middleware.settings import ClientSettings
from tests.oauth.helpers import answer, token

ISSUER = "https://id.example/tenant"
TOKEN_URL = "https://tokens.example/t"


class Server:
    """Authorization server whose token endpoint is at another origin."""

    def __init__(self) -> None:
        self.requests: list[TokenRequest] = []

    def __call__(self, request: TokenRequest) -> TokenResponse:
        self.requests.append(request)
        return token() if request.method == "POST" else answer(200, {"issuer": ISSUER, "token_endpoint": TOKEN_URL})


def settings(**changes: Any) -> ClientSettings:
    values = {
        "preset": "rfc6749",
        "base_url": "https://api.example",
        "issuer": ISSUER,
        "discovery": True,
        "allowed_token_origins": ["https://tokens.example"],
        "client_id": "shop",
        "client_secret": "s",
    }
    return ClientSettings(**{**values, **changes})


def test_the_settings_name_the_issuer_and_the_origins_of_the_endpoint() -> None:
    server = Server()
    build_provider(settings()).get_token(DEFAULT_OPTIONS, None, server)

    assert [(request.method, request.url) for request in server.requests] == [
        ("GET", "https://id.example/.well-known/oauth-authorization-server/tenant"),
        ("POST", TOKEN_URL),
    ]


def test_a_loopback_host_that_is_named_may_speak_plain_http() -> None:
    local = build_provider(settings(issuer="http://127.0.0.1:8000", loopback_http_hosts=["127.0.0.1"]))

    assert local.token_url == "http://127.0.0.1:8000"


def claims(request: TokenRequest) -> dict[str, Any]:
    [assertion] = parse_qs(request.body.decode())["client_assertion"]
    payload = assertion.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


@pytest.mark.parametrize(("audience", "expected"), [(None, ISSUER), ("https://aud.example", "https://aud.example")])
def test_an_assertion_is_for_the_issuer_unless_the_settings_say_otherwise(audience: str | None, expected: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    server = Server()
    provider = build_provider(settings(client_secret=None, private_key=key, assertion_audience=audience))
    provider.get_token(DEFAULT_OPTIONS, None, server)

    assert claims(server.requests[-1])["aud"] == expected


def test_new_credentials_use_the_endpoint_that_was_found(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first")
    path.chmod(0o600)
    server = Server()
    provider = build_provider(settings(client_secret=None, client_secret_file=path))
    provider.get_token(DEFAULT_OPTIONS, None, server)
    path.write_text("the second one")
    provider.get_token(DEFAULT_OPTIONS, None, server)

    assert [request.method for request in server.requests] == ["GET", "POST", "POST"]
    assert len({request.headers["Authorization"] for request in server.requests[1:]}) == 2
    assert server.requests[-1].url == TOKEN_URL
