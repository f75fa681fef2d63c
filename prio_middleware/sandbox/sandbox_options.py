"""Options of the sandbox: its accounts, its address, and its behaviour."""

from __future__ import annotations

import dataclasses
import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .._util.plain_http import is_loopback
from ..errors import ConfigurationError
from .api_errors import unknown

_PREFIX = "https://www.prioticketapis.com/auth/distributor"

BOOKING = f"{_PREFIX}.booking"
PRODUCTS = f"{_PREFIX}.products.readonly"
RESERVATIONS = f"{_PREFIX}.reservations"
BOOKINGS = f"{_PREFIX}.bookings"
BOOKING_DETAILS = f"{_PREFIX}.bookings.details"
REPORTING = f"{_PREFIX}/reporting"
ALL_SCOPES = (BOOKING, PRODUCTS, RESERVATIONS, BOOKINGS, BOOKING_DETAILS, REPORTING)


def new_secret() -> str:
    """Return a random secret with characters that need careful encoding."""
    return f"{secrets.token_urlsafe(12)}@!#$%25+:{secrets.token_urlsafe(12)}"


@dataclass(frozen=True, slots=True)
class Account:
    """Account of a client.

    Attributes:
        client_id: its identifier; at Prio often an e-mail address.
        client_secret: its secret; random by default.
        scopes: scopes that it may request, and gets by default.
        public_key: PEM or JWK text that verifies its signed assertions (RFC 7523); None without assertions.
    """

    client_id: str
    client_secret: str = field(default_factory=new_secret, repr=False)
    scopes: tuple[str, ...] = ALL_SCOPES
    public_key: str | None = None


def default_accounts() -> tuple[Account, ...]:
    """Return three accounts: two with every scope, and one that may only read products."""
    return (
        Account("tickets@canal-cruises.example"),
        Account("berlin@canal-cruises.example"),
        Account("catalogue@reseller.example", scopes=(PRODUCTS,)),
    )


Certificate = Literal["valid", "expired", "foreign", "wrong_host"]
"""State of a certificate: valid, expired, signed by another authority, or for another host."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Address, TLS and certificate of the sandbox.

    Attributes:
        host: a loopback address, or ``localhost``.
        port: a port; 0 for any free one.
        tls: True for HTTPS. False for plain HTTP, which the real API does not accept.
        certificate: the state of the certificate.

    Raises:
        ConfigurationError: the host is not a loopback host, because other machines must not reach a server with test
            credentials; the port is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = True
    certificate: Certificate = "valid"

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise ConfigurationError(
                f"The sandbox does not listen on {self.host!r}, because it serves this machine only.",
                remedy="Choose 127.0.0.1, ::1 or localhost.",
            )
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"The port {self.port} is out of range.", remedy="Choose 0 to 65535; 0 finds a free one.")

    def bind(self) -> socket.socket:
        """Return a bound socket. Raise ConfigurationError if the port is taken."""
        address = "127.0.0.1" if self.host.lower() == "localhost" else self.host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            sock = socket.create_server((address, self.port), family=family)
        except OSError:
            message = f"The sandbox cannot listen on {self.host} port {self.port}."
            raise ConfigurationError(message, remedy="Choose a free port; 0 finds one.") from None
        # Accepted connections inherit it. asyncio sets it only if a socket names its protocol, and this one does not.
        # Without it, each response of two packets waits 40 ms for the client's delayed ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def url(self, port: int) -> str:
        """Return the URL of the sandbox at ``port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{port}"


_CHOICES = {
    "body_formats": ("json", "form"),
    "basic_encodings": ("raw", "form"),
    "client_auth_methods": ("client_secret_basic", "client_secret_post", "private_key_jwt"),
}

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "float": (int, float),
    "int": int,
    "str": str,
    "str | None": (str, type(None)),
}


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Behaviour of a sandbox. The defaults are Prio's; :meth:`rfc6749` follows the standards.

    Attributes:
        version: the API version in the path; fixed once the application is created.
        lifetime: the lifetime of a token, in seconds.
        expires_in: JSON text to send instead of the lifetime, valid or not (``'null'``, ``'"3600"'``, ``'1e400'``); empty
            to leave the member out; None to send the lifetime.
        missing_status: the status for a call without a token.
        invalid_status: the status for an unknown token.
        revoked_status: the status for a revoked token.
        revoked_code: the error code for a revoked token; by default the same as for missing privileges, as at Prio.
        challenges: True to send ``WWW-Authenticate: Bearer`` with 401 and 403 (RFC 6750 §3).
        https_only: True to reject plain HTTP.
        body_formats: accepted formats of token requests: ``json``, ``form``.
        basic_encodings: accepted encodings of Basic credentials: ``raw`` (RFC 7617), ``form`` (RFC 6749 §2.3.1).
        client_auth_methods: accepted methods: ``client_secret_basic``, ``client_secret_post``, ``private_key_jwt``.
        api_keys: keys that calls may carry in place of a token: in the header ``X-Api-Key``, as the query parameter ``key``, or
            as a bearer token. They never expire, and allow everything.
        issuer: the issuer identifier, which assertions may name as ``aud`` besides the token URL; None for the API's root.
        refuse_credentials: True to answer every token request with ``invalid_client``.
        limits: True to block a caller after more than 60 responses 4xx or 1,000 requests in a minute.
        token_delay: the delay of every response of the token endpoint, in seconds.
        api_delay: the delay of every other response, in seconds.

    Raises:
        ConfigurationError: a value of the wrong type; no account; an ``expires_in`` that is not JSON; a format, encoding or
            method that does not exist.
    """

    version: str = "v3.8"
    accounts: tuple[Account, ...] = field(default_factory=default_accounts)
    lifetime: float = 3600
    expires_in: str | None = None
    missing_status: int = 400
    invalid_status: int = 400
    revoked_status: int = 403
    revoked_code: str = "AUTHORIZATION_FAILURE"
    challenges: bool = False
    https_only: bool = True
    body_formats: tuple[str, ...] = ("json",)
    basic_encodings: tuple[str, ...] = ("raw",)
    client_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    issuer: str | None = None
    refuse_credentials: bool = False
    limits: bool = True
    token_delay: float = 0
    api_delay: float = 0

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            if not _fits(getattr(self, option.name), str(option.type)):
                raise ConfigurationError(f"The sandbox's option {option.name} is not of type {option.type}.")
        if not self.accounts:
            raise ConfigurationError("The sandbox has no account.", remedy="Add one, or omit accounts for the defaults.")
        try:
            json.loads(self.expires_in or "null")
        except ValueError:
            message = f"expires_in={self.expires_in!r} is not JSON text."
            raise ConfigurationError(message, remedy="Quote it as JSON does.") from None
        object.__setattr__(self, "api_keys", tuple(self.api_keys))
        for name, valid in _CHOICES.items():
            chosen = tuple(getattr(self, name))
            object.__setattr__(self, name, chosen)
            for choice in chosen:
                if choice not in valid:
                    raise ConfigurationError(
                        f"The sandbox has no {choice!r} in {name}.", remedy=f"Choose among {', '.join(valid)}."
                    )

    @classmethod
    def rfc6749(cls, accounts: tuple[Account, ...] | None = None) -> SandboxOptions:
        """Return options of a server that follows RFC 6749, RFC 6750 and RFC 7523."""
        return cls(
            accounts=accounts or default_accounts(),
            missing_status=401,
            invalid_status=401,
            revoked_status=401,
            challenges=True,
            body_formats=("form",),
            basic_encodings=("form",),
            client_auth_methods=_CHOICES["client_auth_methods"],
        )

    @property
    def follows_rfc6749(self) -> bool:
        """True if token requests have a form as their body (RFC 6749 §4.4.2), not JSON as at Prio."""
        return "json" not in self.body_formats

    def dialect(self, token_url: str) -> dict[str, str]:
        """Return the settings that a client needs if this server differs from Prio's: the preset, and deviations from it.

        A client of the preset ``rfc6749`` has to know the ``token_url``.
        """
        preset = {"preset": "rfc6749", "token_url": token_url} if self.follows_rfc6749 else {}
        usual, other = ("form", "raw") if self.follows_rfc6749 else ("raw", "form")
        encoding = {} if usual in self.basic_encodings else {"basic_encoding": other}
        method = {} if "client_secret_basic" in self.client_auth_methods else {"client_auth": "client_secret_post"}
        return {**preset, **encoding, **method}

    def replace(self, changes: Mapping[str, Any]) -> SandboxOptions:
        """Return a copy with ``changes``. Raise ConfigurationError if an option does not exist, or cannot be changed."""
        names = [option.name for option in dataclasses.fields(self) if option.name not in ("version", "accounts")]
        for name in changes:
            if name not in names:
                raise unknown("option", name, names)
        return dataclasses.replace(self, **changes)


def _fits(value: object, annotation: str) -> bool:
    """Return True if ``value`` has the type ``annotation``, or the annotation is not in ``_TYPES``."""
    if isinstance(value, bool):
        return annotation == "bool"
    return isinstance(value, _TYPES.get(annotation, object))
