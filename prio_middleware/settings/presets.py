"""Presets ``prio`` and ``rfc6749``: defaults for one kind of server, and its URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ..middleware.revocation.rules import PRIO_REFUSALS, RFC6749_REFUSALS, RefusalRules

PresetName = Literal["prio", "rfc6749"]
EnvironmentName = Literal["production", "staging", "sandbox", "internal"]
ClientAuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
BasicEncoding = Literal["raw", "form"]
BodyFormat = Literal["json", "form"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults of settings for one kind of server, and its limits. Explicit settings take precedence."""

    name: PresetName
    body_format: BodyFormat
    basic_encoding: BasicEncoding
    client_auth: ClientAuthMethod
    read_timeout: float
    refusals: RefusalRules  # The API's responses that may mean a rejected token.
    request_limit: int | None = None  # Requests per minute after which the server blocks the client; None if unknown.
    client_error_limit: int | None = None  # 4xx responses per minute after which it does so.
    hosts: Mapping[EnvironmentName, str] = field(default_factory=lambda: MappingProxyType({}))  # Of the API.
    base_url_template: str = ""
    version: str = ""
    token_path: str = ""  # Below the base URL; empty if settings must name the token endpoint's URL.

    def base_url(self, environment: EnvironmentName | None, version: str | None) -> str:
        """Return the API's URL, or an empty string without a default. The default is production in the newest version."""
        host = self.hosts.get(environment or "production", "")
        return self.base_url_template.format(host=host, version=version or self.version)

    def token_url(self, base_url: str) -> str:
        """Return the token endpoint's URL, or an empty string without a default."""
        return f"{base_url}{self.token_path}" if self.token_path else ""


PRIO = Preset(
    name="prio",
    body_format="json",
    basic_encoding="raw",
    client_auth="client_secret_basic",
    read_timeout=60.0,
    refusals=PRIO_REFUSALS,
    request_limit=1000,
    hosts=MappingProxyType(
        {
            "production": "distributor-api.prioticket.com",
            "staging": "staging-distributor-api.prioticket.com",
            "sandbox": "sandbox-distributor-api.prioticket.com",
            "internal": "internal-distributor-api.prioticket.com",
        }
    ),
    base_url_template="https://{host}/{version}/distributor",
    version="v3.8",
    token_path="/oauth2/token",
    client_error_limit=60,
)

RFC6749 = Preset(
    name="rfc6749",
    body_format="form",
    basic_encoding="form",
    client_auth="client_secret_basic",
    read_timeout=30.0,
    refusals=RFC6749_REFUSALS,
)

PRESETS: Mapping[PresetName, Preset] = MappingProxyType({preset.name: preset for preset in (PRIO, RFC6749)})
