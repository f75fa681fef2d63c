"""Settings that say which server a client talks to, and where its token may go."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..presets import PRESETS, EnvironmentName, PresetName
from .values import BaseUrl, EndpointUrl, IssuerUrl, Items, Origins, Text


def from_preset(key: str) -> Any:
    """A default that is looked up in the client's preset."""
    return Field(default_factory=lambda data: getattr(PRESETS[data["preset"]], key))


class PresetBased(BaseModel):
    """What every group of settings takes its defaults from."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    preset: PresetName = "prio"
    """What kind of server it is: "prio" for the Prio Distributor API, "rfc6749" for any other OAuth 2.0 server. It decides the
    defaults of the other settings."""


def _base_url(data: dict[str, Any]) -> str:
    return PRESETS[data["preset"]].base_url(data["environment"], data["version"])


def _token_url(data: dict[str, Any]) -> str:
    return "" if data["discovery"] else PRESETS[data["preset"]].token_url(data["base_url"])


class Server(PresetBased):
    """Which server, and which origins may have the token."""

    environment: EnvironmentName | None = None
    """Preset prio: which of the API's environments. Production, where neither this nor base_url is given."""

    version: Text | None = None
    """Preset prio: the API's version, as in its URL. The default is the one this release was made for."""

    base_url: BaseUrl = Field(default_factory=_base_url)
    """The API's URL: relative URLs of calls are joined to it. Preset prio: follows from environment and version."""

    discovery: IssuerUrl | None = None
    """The authorization server's issuer identifier, to the letter as the server spells it. It stands in place of token_url,
    which is read from the server's metadata (RFC 8414, or OpenID Connect Discovery) when the first token is needed."""

    allowed_token_origins: Origins = ()
    """With discovery: origins (https://host:port), besides that of the issuer, where the token endpoint may be. The client's
    credentials go there."""

    token_url: EndpointUrl = Field(default_factory=_token_url)
    """The token endpoint's URL. Preset prio: /oauth2/token below base_url. Empty where discovery finds it."""

    allowed_origins: Origins = ()
    """Further origins (https://host:port) whose requests get the token. That of base_url always does."""

    foreign_origins: Literal["bare", "refuse"] = "bare"
    """What becomes of a request to any other origin: "bare" sends it without token and App-* headers, "refuse" raises
    ForeignOriginError."""

    loopback_http_hosts: Items = ()
    """Loopback hosts (localhost, 127.0.0.1, ::1) that may be spoken to over plain HTTP, for a test server on this machine.
    Everything else is HTTPS."""
