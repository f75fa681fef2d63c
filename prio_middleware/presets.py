"""What ``preset = "prio"`` and ``preset = "rfc6749"`` stand for: plain data, and the URLs made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .refusal_rules import PRIO_REFUSALS, RFC6749_REFUSALS, RefusalRules

PresetName = Literal["prio", "rfc6749"]
EnvironmentName = Literal["production", "staging", "sandbox", "internal"]
ClientAuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
BasicEncoding = Literal["raw", "form"]
BodyFormat = Literal["json", "form"]


@dataclass(frozen=True, slots=True)
class Preset:
    """The habits of one kind of server. Settings that name a value themselves go before it.

    Attributes:
        name: as the settings spell it.
        body_format: how the token request's body is encoded.
        basic_encoding: whether id and secret are form-encoded before they go into HTTP Basic (RFC 6749 §2.3.1), or go in raw.
        client_auth: how the client authenticates at the token endpoint.
        read_timeout: seconds to wait for the API's next bytes.
        refusals: which of the API's refusals may be about the token.
        request_limit: requests in a minute, after which it does so too.
        hosts: the API's host for each environment; empty where the settings must name their URLs.
        base_url_template: the API's URL, to be filled with host and version.
        version: the API version where the settings name none.
        client_error_limit: 4xx answers in a minute after which the server shuts the client out; None where none is known.
        token_path: the token endpoint's path below the base URL; empty where the settings must name its URL.
    """

    name: PresetName
    body_format: BodyFormat
    basic_encoding: BasicEncoding
    client_auth: ClientAuthMethod
    read_timeout: float
    refusals: RefusalRules
    request_limit: int | None = None
    hosts: Mapping[EnvironmentName, str] = field(default_factory=lambda: MappingProxyType({}))
    base_url_template: str = ""
    version: str = ""
    token_path: str = ""
    client_error_limit: int | None = None

    def base_url(self, environment: EnvironmentName | None, version: str | None) -> str:
        """The API's URL, or an empty string where this preset knows none. Nothing named means production, newest version."""
        host = self.hosts.get(environment or "production", "")
        return self.base_url_template.format(host=host, version=version or self.version)

    def token_url(self, base_url: str) -> str:
        """The token endpoint's URL, or an empty string where this preset knows none."""
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
