"""How the sandbox behaves: plain data, replaced as a whole when the admin interface changes something."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError
from .accounts import Account, default_accounts
from .names import unknown

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
    """What can be chosen about a sandbox. The defaults are Prio's ways; :meth:`rfc6749` has the standards'.

    Attributes:
        version: the API version in the path; fixed once the application is made.
        accounts: who may ask for tokens.
        lifetime: seconds that a token is accepted for.
        expires_in: JSON text to announce instead of the lifetime, right or wrong (``'null'``, ``'"3600"'``, ``'1e400'``); empty
            leaves the member out; None tells the truth.
        missing_status: the answer to a call without a token.
        invalid_status: the answer to a token that was never issued.
        expired_status: the answer to an expired token.
        revoked_status: the answer to a revoked token.
        revoked_code: the error code for a revoked token; Prio's does not differ from that for missing privileges.
        challenges: send ``WWW-Authenticate: Bearer`` with refusals (RFC 6750 §3).
        https_only: refuse plain HTTP.
        body_formats: the token request bodies that are understood: ``json``, ``form``.
        basic_encodings: how Basic credentials may be encoded: ``raw`` (RFC 7617), ``form`` (RFC 6749 §2.3.1).
        client_auth_methods: ``client_secret_basic``, ``client_secret_post``, ``private_key_jwt``.
        issuer: the issuer identifier, which assertions may name as ``aud`` besides the token URL; None for the API's root.
        assertion_lifetime: seconds that an assertion may be valid for at most.
        refuse_credentials: answer every token request with ``invalid_client``.
        limits: block a caller after more than 60 answers 4xx or 1,000 requests in a minute.
        token_delay: seconds that every answer of the token endpoint waits.
        api_delay: seconds that every other answer waits.

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
    expired_status: int = 401
    revoked_status: int = 403
    revoked_code: str = "AUTHORIZATION_FAILURE"
    challenges: bool = False
    https_only: bool = True
    body_formats: tuple[str, ...] = ("json",)
    basic_encodings: tuple[str, ...] = ("raw",)
    client_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    issuer: str | None = None
    assertion_lifetime: float = 60
    refuse_credentials: bool = False
    limits: bool = True
    token_delay: float = 0
    api_delay: float = 0

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            if not _fits(getattr(self, option.name), str(option.type)):
                raise ConfigurationError(f"The sandbox's option {option.name} is not of type {option.type}.")
        if not self.accounts:
            raise ConfigurationError("The sandbox has no account.", remedy="Give it one, or leave accounts out.")
        if self.expires_in and not _is_json(self.expires_in):
            raise ConfigurationError(f"expires_in={self.expires_in!r} is not JSON text.", remedy="Quote it as JSON does.")
        for name, valid in _CHOICES.items():
            chosen = tuple(getattr(self, name))
            object.__setattr__(self, name, chosen)
            for choice in chosen:
                if choice not in valid:
                    raise ConfigurationError(
                        f"The sandbox has no {choice!r} in {name}.",
                        remedy=f"Choose among {', '.join(valid)}.",
                    )

    @classmethod
    def rfc6749(cls, accounts: tuple[Account, ...] | None = None) -> SandboxOptions:
        """A server that goes by the standards: RFC 6749, RFC 6750 and RFC 7523."""
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

    def replace(self, changes: Mapping[str, Any]) -> SandboxOptions:
        """A copy with ``changes``.

        Raises:
            ConfigurationError: an option that does not exist, or that cannot be changed any more.
        """
        names = [option.name for option in dataclasses.fields(self) if option.name not in ("version", "accounts")]
        for name in changes:
            if name not in names:
                raise unknown("option", name, names)
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """The options as JSON can hold them, secrets included: they are the sandbox's own."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SandboxOptions:
        """The options that :meth:`to_json` made a document of."""
        accounts = tuple(account_from_json(account) for account in document["accounts"])
        values: dict[str, Any] = {**document, "accounts": accounts}
        return cls(**values)


def _fits(value: object, annotation: str) -> bool:
    """Whether a value is of the type of its option; options of other types are looked at one by one."""
    if isinstance(value, bool):
        return annotation == "bool"
    return isinstance(value, _TYPES.get(annotation, object))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def account_from_json(document: Mapping[str, Any]) -> Account:
    """An account from a document with its attributes."""
    values: dict[str, Any] = {**document, "scopes": tuple(document["scopes"])}
    return Account(**values)
