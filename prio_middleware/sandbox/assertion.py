"""Signed client assertions (RFC 7523): is this one signed with the account's key, and what does it claim."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry

KeyType = Literal["RSA", "EC", "OKP"]

_ALGORITHMS: Mapping[KeyType, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519"),
}


_EDDSA = copy.copy(JWSRegistry.algorithms["EdDSA"])
_EDDSA.security_warning = None  # the older name of Ed25519 (RFC 8037, RFC 9864); clients use either


def verified_claims(assertion: str, public_key: str) -> Mapping[str, Any] | None:
    """The claims of an assertion that was signed with the account's key; None for any other.

    Args:
        assertion: a JWT in compact form.
        public_key: PEM or JWK text.
    """
    for key_type, algorithms in _ALGORITHMS.items():
        key = _load(public_key, key_type)
        if key is not None:
            return _decode(assertion, key, algorithms)
    return None


def _load(public_key: str, key_type: KeyType) -> Key | None:
    try:
        return import_key(json.loads(public_key) if public_key.lstrip().startswith("{") else public_key, key_type)
    except (JoseError, ValueError, TypeError):
        return None


def _decode(assertion: str, key: Key, algorithms: tuple[str, ...]) -> Mapping[str, Any] | None:
    registry = JWSRegistry(algorithms=algorithms)
    registry.algorithms = {**registry.algorithms, "EdDSA": _EDDSA}
    try:
        return jwt.decode(assertion, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
