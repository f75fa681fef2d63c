"""Sealed records of the shared store, and the pauses between two reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..._util.safe_body import json_object
from ..._util.secret import Secret
from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ..access_token import AccessToken
from ..token_response import header_value
from .keyring import Keyring
from .redis_store import VALUE_SIZE_LIMIT
from .store import ID_LENGTH

SKEW = 5.0  # Seconds by which the clocks of two hosts may differ: a record counts for so much longer than its sealed time.

_FIRST_POLL, _LONGEST_POLL = 0.05, 0.5  # Seconds.


def poll_pause(polls: int, lease_left_seconds: float, draw: float) -> float:
    """Return the seconds to wait before the next read: growing, jittered, and not much beyond the end of the lease.

    ``polls`` is the number of pauses so far, ``draw`` a random number from 0 to below 1.
    """
    jitter = 0.5 + draw / 2
    pause = min(_FIRST_POLL * 1.5 ** min(polls, 10), _LONGEST_POLL) * jitter
    return min(pause, lease_left_seconds + _FIRST_POLL * jitter)


_ERRORS: Final[Mapping[str, type[TokenError]]] = {
    "credentials": CredentialsRefusedError,
    "unavailable": TokenEndpointUnavailableError,
}


class RecordKey(NamedTuple):
    """Name of a token in the store, and the token URL. A record counts only for the key that is sealed in it."""

    name: str
    url: str


class SharedToken(NamedTuple):
    """A token from a shared store."""

    value: Secret
    token_type: str  # Its type, or the scheme to present it with.
    scope: str | None
    lifetime: float  # Seconds, when it was issued.
    remaining_seconds: float  # Until its sealed expiry plus ``SKEW``, at most the lifetime.
    token_id: str
    after_rejection: bool  # It was requested because the API had rejected another token.
    unchanged: bool = False  # It is that other token: the token endpoint had returned it again.


def encrypt_token(
    keyring: Keyring, record_key: RecordKey, token: AccessToken, expires_at: float, *, after_rejection: bool
) -> bytes:
    """Return the sealed token, without the token id before it. It expires at the Unix time ``expires_at``."""
    return _encrypt(
        keyring,
        record_key,
        token_id=token.token_id,
        token=token.value.reveal(),
        type=token.token_type,
        scope=token.scope,
        lifetime=token.lifetime,
        expires_at=expires_at,
        after_rejection=after_rejection,
        unchanged=token.unchanged is not None,
    )


def decrypt_token(
    keyring: Keyring, record_key: RecordKey, record: bytes, now: float, scheme: str | None = None
) -> SharedToken | str:
    """Return the token in ``record``, or the reason why it holds none for ``record_key``.

    ``now`` is the Unix time. ``scheme`` is the authentication scheme to present it with. Default: it must be a Bearer token.
    """
    members = _decrypt(keyring, record_key, record[ID_LENGTH:])
    if isinstance(members, str):
        return members
    if str(members.get("token_id")).encode() != record[:ID_LENGTH]:
        return "its token id does not match"
    seconds = _remaining_seconds(members, now)
    if isinstance(seconds, str):
        return seconds
    value, token_type, scope = header_value(members.get("token")), members.get("type"), members.get("scope")
    if (
        seconds is None
        or value is None
        or not (isinstance(token_type, str) and (scheme or token_type.lower() == "bearer"))
        or not isinstance(scope, str | None)
    ):
        return "it holds no token"
    return SharedToken(
        value,
        scheme or token_type,
        scope,
        float(members["lifetime"]),
        seconds,
        members["token_id"],
        after_rejection=members.get("after_rejection") is True,
        unchanged=members.get("unchanged") is True,
    )


def encrypt_error(keyring: Keyring, record_key: RecordKey, error: TokenError, lifetime: float, now: float) -> bytes:
    """Return the sealed error, which counts for ``lifetime`` seconds from the Unix time ``now``.

    It holds no secret. It is sealed so that a writer to the store cannot make up errors.
    """
    return _encrypt(
        keyring,
        record_key,
        error=next(kind for kind, error_class in _ERRORS.items() if isinstance(error, error_class)),
        lifetime=lifetime,
        expires_at=now + lifetime,
        message=error.message,
        remedy=error.remedy,
        code=error.code,
        status_code=error.status_code,
        error_reference=error.error_reference,
    )


def decrypt_error(keyring: Keyring, record_key: RecordKey, record: bytes, now: float) -> TokenError | str:
    """Return the error in ``record``, or the reason why it holds none for ``record_key``.

    ``now`` is the Unix time. The ``retry_after`` of the error is the number of seconds for which it still counts.
    """
    members = _decrypt(keyring, record_key, record)
    if isinstance(members, str):
        return members
    error_class, seconds = _ERRORS.get(str(members.get("error"))), _remaining_seconds(members, now)
    if isinstance(seconds, str):
        return seconds
    if error_class is None or seconds is None:
        return "it holds no error"
    status = members.get("status_code")
    return error_class(
        str(members.get("message")),
        url=record_key.url,
        remedy=_text(members, "remedy"),
        retry_after=seconds,
        code=_text(members, "code"),
        status_code=status if isinstance(status, int) else None,
        error_reference=_text(members, "error_reference"),
    )


def _encrypt(keyring: Keyring, record_key: RecordKey, **members: object) -> bytes:
    return keyring.encrypt(json.dumps({"name": record_key.name, "url": record_key.url, **members}).encode())


def _decrypt(keyring: Keyring, record_key: RecordKey, sealed: bytes) -> Mapping[str, Any] | str:
    plain = keyring.decrypt(sealed) if len(sealed) <= VALUE_SIZE_LIMIT else None
    if plain is None:
        return "no configured encryption key decrypts it"
    members = json_object(plain)
    if members is None or (members.get("name"), members.get("url")) != record_key:
        return "it was sealed for another token or token endpoint"
    return members


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _remaining_seconds(members: Mapping[str, Any], now: float) -> float | str | None:
    """Return the seconds for which a record counts, the reason why it does not count now, or None if it names no time.

    The times are sealed, so a writer to the store cannot extend them, or write an old record back after its end.
    """
    lifetime: Any = members.get("lifetime")
    expires_at: Any = members.get("expires_at")
    for value in (lifetime, expires_at):
        if not isinstance(value, int | float) or value is True or not 0 < value < math.inf:
            return None
    seconds: float = expires_at - now + SKEW
    if 0 < seconds <= lifetime + 2 * SKEW:
        return min(seconds, float(lifetime))
    problem = "it has expired" if seconds <= 0 else "it was sealed in the future"
    return f"{problem}: an old record was written back, or the clocks of two hosts differ by more than {SKEW:.0f} s"
