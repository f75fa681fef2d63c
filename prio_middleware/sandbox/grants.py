"""What a token request gets: a grant, or an error of RFC 6749 §5.2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from .accounts import Account
from .client_auth import Authenticator, OAuthError, Presented, presented
from .tokens import Grant

_FORMATS = {"application/json": "json", "application/x-www-form-urlencoded": "form"}


@dataclass(frozen=True, slots=True)
class Ask:
    """A token request, as it came."""

    authorization: str | None
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """What was made of a token request: of its parameters and credentials as much as could be read."""

    outcome: Grant | OAuthError
    parameters: Mapping[str, str] = field(default_factory=dict)
    credentials: Presented = field(default_factory=Presented)


def decide(ask: Ask, authenticator: Authenticator, expires_at: float) -> Decision:
    """Judge a token request: can it be read, whose is it, and may that client have what it asks for?"""
    options = authenticator.options
    parameters = read_parameters(ask.content_type, ask.body, options.body_formats)
    if isinstance(parameters, OAuthError):
        return Decision(parameters)
    credentials = presented(ask.authorization, parameters, options)
    if isinstance(credentials, OAuthError):
        return Decision(credentials, parameters)
    account = authenticator.authenticate(credentials, parameters)
    outcome = account if isinstance(account, OAuthError) else grant(account, parameters, expires_at)
    return Decision(outcome, parameters, credentials)


def read_parameters(content_type: str, body: bytes, formats: tuple[str, ...]) -> dict[str, str] | OAuthError:
    """The parameters in the body, which is in one of ``formats``."""
    body_format = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if body_format not in formats:
        return OAuthError("invalid_request", f"The body has to be {' or '.join(formats)}.")
    pairs = _json_pairs(body) if body_format == "json" else _form_pairs(body)
    if pairs is None:
        return OAuthError("invalid_request", "The body cannot be read.")
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        return OAuthError("invalid_request", "A parameter is there twice.")
    return parameters


def grant(account: Account, parameters: Mapping[str, str], expires_at: float) -> Grant | OAuthError:
    """The scopes asked for, or all of the account's."""
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        return OAuthError("invalid_request", "grant_type is missing.")
    if grant_type != "client_credentials":
        return OAuthError("unsupported_grant_type", "The only grant type here is client_credentials.")
    scopes = parameters.get("scope", "").split() or account.scopes
    if not set(scopes) <= set(account.scopes):
        return OAuthError("invalid_scope", "The account may not have all of these scopes.")
    return Grant(account.client_id, frozenset(scopes), expires_at)


def _json_pairs(body: bytes) -> list[tuple[str, str]] | None:
    try:
        pairs = json.loads(body, object_pairs_hook=list)
        json.dumps(pairs, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) and isinstance(pair[1], str) for pair in pairs):
        return None
    return pairs


def _form_pairs(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body))
    except ValueError:
        return None
