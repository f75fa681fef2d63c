"""Settings that say who a client is, and how it shows that to the token endpoint (RFC 6749 §2.3, RFC 7523 §2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..presets import PRESETS, BasicEncoding, ClientAuthMethod
from .server import PresetBased, from_preset
from .values import SecretLines, SecretText, Text

SigningAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip


def _client_auth(data: dict[str, Any]) -> ClientAuthMethod:
    return "private_key_jwt" if data["private_key"] is not None else PRESETS[data["preset"]].client_auth


class Credentials(PresetBased):
    """Who the client is. Named clients inherit how to show it, but each has its own id, secret or key."""

    client_id: Text = ""
    """The client's identifier, as the server issued it."""

    client_secret: SecretText | None = None
    """The client's secret. Rather than in a file that is checked in, keep it in the environment or a secret file."""

    client_secret_file: Path | None = None
    """A file that holds nothing but the client's secret; a line break at its end does not count."""

    private_key: SecretLines | None = None
    """The key that signs the client's assertions, as PEM or JWK."""

    private_key_file: Path | None = None
    """A file that holds the private key."""

    client_auth: ClientAuthMethod = Field(default_factory=_client_auth)
    """How the client authenticates. Default: private_key_jwt where a private key is given, else client_secret_basic."""

    basic_encoding: BasicEncoding = from_preset("basic_encoding")
    """client_secret_basic: "form" encodes id and secret first, as RFC 6749 §2.3.1 says; "raw" does not, as Prio wants it."""

    key_id: Text | None = None
    """private_key_jwt: the `kid` of the assertion's header, where the server knows several keys."""

    algorithm: SigningAlgorithm | None = None
    """private_key_jwt: the signature algorithm. Default: the usual one for the kind of key."""

    issuer: Text | None = None
    """The authorization server's issuer identifier (RFC 8414 §2), as it spells it."""

    assertion_audience: Text | None = None
    """private_key_jwt: the `aud` of the assertion. Default: the issuer where given or discovered, else token_url."""
