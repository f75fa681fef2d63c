"""Tokens and refusals as a shared store keeps them: sealed JSON that says what it is and where it belongs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ...bounded import json_object
from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ...secret import Secret
from ..answer import TOKEN_LIMIT
from ..token import AccessToken, new_generation
from .keyring import Keyring
from .lua import SIZE_LIMIT
from .store import GENERATION_LENGTH

_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{TOKEN_LIMIT}}}")
_REFUSALS: Final[Mapping[str, type[TokenError]]] = {
    "credentials": CredentialsRefusedError,
    "unavailable": TokenEndpointUnavailableError,
}


class Place(NamedTuple):
    """Where a record belongs.

    Attributes:
        name: what the token is called in the store.
        url: where such tokens come from.
    """

    name: str
    url: str


class SharedToken(NamedTuple):
    """A token out of a shared store, before this process has counted how long it is good for.

    ``after_refusal``: it was asked for because another one was refused.
    """

    value: Secret
    token_type: str
    scope: str | None
    lifetime: float
    generation: str
    after_refusal: bool


class SharedRefusal(NamedTuple):
    """A refusal out of a shared store: what the token endpoint said, under a random name, and for how long it counts."""

    error: TokenError
    name: str
    lifetime: float


def seal_token(keyring: Keyring, place: Place, token: AccessToken, *, after_refusal: bool) -> bytes:
    """The record of ``token``, without its generation id, which goes before it."""
    return _seal(
        keyring,
        place,
        generation=token.generation,
        token=token.value.reveal(),
        type=token.token_type,
        scope=token.scope,
        lifetime=token.lifetime,
        after_refusal=after_refusal,
    )


def open_token(keyring: Keyring, place: Place, record: bytes) -> SharedToken | str:
    """The token in ``record``, or why there is none that belongs to ``place``."""
    members = _open(keyring, place, record[GENERATION_LENGTH:])
    if isinstance(members, str):
        return members
    if str(members.get("generation")).encode() != record[:GENERATION_LENGTH]:
        return "it has another generation's id"
    lifetime = _lifetime(members)
    match members:
        case {"token": str() as value, "type": str() as kind} if lifetime:
            fits = _VISIBLE.fullmatch(value) and kind.lower() == "bearer"
            if fits and isinstance(members.get("scope"), str | None):
                renewed = members.get("after_refusal") is True
                return SharedToken(Secret(value), kind, members.get("scope"), lifetime, members["generation"], renewed)
        case _:
            pass
    return "it holds no token"


def seal_refusal(keyring: Keyring, place: Place, error: TokenError, lifetime: float) -> bytes:
    """The record of a refusal. An error of the tree holds no secret; sealed, nobody can make one up either."""
    kind = next(name for name, kind in _REFUSALS.items() if isinstance(error, kind))
    return _seal(
        keyring,
        place,
        refusal=kind,
        id=new_generation(),
        lifetime=lifetime,
        message=error.message,
        remedy=error.remedy,
        code=error.code,
        status_code=error.status_code,
        error_reference=error.error_reference,
    )


def open_refusal(keyring: Keyring, place: Place, record: bytes) -> SharedRefusal | str:
    """The refusal in ``record``, or why there is none that belongs to ``place``."""
    members = _open(keyring, place, record)
    if isinstance(members, str):
        return members
    kind, name = _REFUSALS.get(str(members.get("refusal"))), members.get("id")
    lifetime = _lifetime(members)
    if kind is None or lifetime is None or not isinstance(name, str):
        return "it holds no refusal"
    status = members.get("status_code")
    error = kind(
        str(members.get("message")),
        url=place.url,
        remedy=_text(members, "remedy"),
        code=_text(members, "code"),
        status_code=status if isinstance(status, int) else None,
        error_reference=_text(members, "error_reference"),
    )
    return SharedRefusal(error, name, lifetime)


def _seal(keyring: Keyring, place: Place, **members: object) -> bytes:
    return keyring.seal(json.dumps({"name": place.name, "url": place.url, **members}).encode())


def _open(keyring: Keyring, place: Place, sealed: bytes) -> Mapping[str, Any] | str:
    plain = keyring.open(sealed) if len(sealed) <= SIZE_LIMIT else None
    if plain is None:
        return "none of our keys opens it"
    members = json_object(plain)
    if members is None or members.get("name") != place.name or members.get("url") != place.url:
        return "it was sealed for another place"
    return members


def _lifetime(members: Mapping[str, Any]) -> float | None:
    value = members.get("lifetime")
    if not isinstance(value, int | float) or value is True or not 0 < value < math.inf:
        return None
    return float(value)


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None
