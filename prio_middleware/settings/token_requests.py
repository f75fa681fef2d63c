"""Settings that say what a client asks of the token endpoint, when, and how long it waits."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..presets import BodyFormat
from .server import PresetBased, from_preset
from .values import Fraction, Seconds, SecondsOrZero, SecretPairs, Text


def _by_refresh(**defaults: float) -> Any:
    return Field(default_factory=lambda data: defaults[data["refresh"]])


class TokenRequests(PresetBased):
    """What is asked for; a single call can ask for something else through its ``extensions``."""

    scope: Text | None = None
    """The scopes to ask for, separated by spaces (RFC 6749 §3.3). Default: none, which leaves it to the server."""

    audience: Text | None = None
    """The API the token is for, for servers that want an `audience` parameter."""

    resource: Text | None = None
    """The API the token is for, as RFC 8707 spells it: an absolute URI."""

    params: SecretPairs = ()
    """Further parameters of the token request. Names given through the environment are lower-case."""

    body_format: BodyFormat = from_preset("body_format")
    """How the token request's body is encoded: "form" as RFC 6749 says, "json" as Prio wants it."""

    refresh: Literal["on_expiry", "ahead"] = "on_expiry"
    """When to get the next token: "on_expiry" makes one token request per lifetime; "ahead" makes it earlier, while calls go on
    with the token that is still valid."""

    default_lifetime: Seconds = 300.0
    """Seconds a token is taken to be good for where the server does not say."""

    max_lifetime: Seconds = 86_400.0
    """Seconds a token is used for at most, whatever the server says."""

    leeway_fraction: Fraction = _by_refresh(on_expiry=0.1, ahead=0.25)
    """How long before its expiry a new token is due, as a fraction of its lifetime. Default: 0.1; with refresh "ahead", 0.25,
    which leaves time to try again."""

    leeway_max: SecondsOrZero = _by_refresh(on_expiry=30.0, ahead=300.0)
    """Upper bound of that, in seconds. Default: 30; with refresh "ahead", 300."""

    leeway_jitter: Fraction = 0.5
    """The part of that which a process may do without: each draws a share of its own, so that processes which began together do
    not ask for their next tokens at one moment. 0: all of them use the whole leeway."""

    token_timeout: Seconds = 10.0
    """Seconds that one try of a token request may take."""

    token_deadline: Seconds = 30.0
    """Seconds that getting a token may take in all: retries, and waiting for a connection, included."""

    hold_back: SecondsOrZero = 10.0
    """Seconds for which no token is asked for after the server refused the credentials. Changed credentials end it at once."""
