"""Sealed records of the shared store, and the lease of a fetch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..._util.safe_body import json_object
from ..._util.secret import Secret
from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ..access_token import AccessToken
from ..token_response import TOKEN_LIMIT
from .keyring import Keyring
from .redis_store import SIZE_LIMIT
from .store import ID_LENGTH, LONGEST_LEASE

MARGIN = 1.0
"""Seconds of a lease that are kept for publishing: a fetch that used all of its time still holds its lease."""

RESERVE = 6.0
"""Most seconds that a waiter keeps to request a token itself. With the default deadline (20 s) it outwaits a lease."""

SKEW = 5.0
"""Most seconds by which the clocks of two hosts may differ: a record counts for so much longer than its sealed time."""

_FIRST_POLL = 0.05
_LONGEST_POLL = 0.5


def lease_seconds(remaining_seconds: float, longest: float = LONGEST_LEASE) -> float:
    """Return the lease for a fetch of at most ``remaining_seconds``: no longer than needed, to replace a dead leader soon."""
    return min(remaining_seconds + MARGIN, longest)


def lease_deadline_at(requested_at: float, lease: float, deadline_at: float) -> float:
    """Return the moment at which a fetch under a lease must be over: always before the lease ends.

    Args:
        requested_at: moment before the request for the lease, which is not after its start.
        lease: length of the lease in seconds.
        deadline_at: moment at which the fetch would be given up without a lease.
    """
    return min(deadline_at, requested_at + max(lease - MARGIN, lease / 2))


def stop_waiting_at(now: float, deadline_at: float) -> float:
    """Return the moment at which a waiter stops waiting for other processes, and requests a token itself."""
    return deadline_at - min(RESERVE, (deadline_at - now) / 2)


def poll_pause(polls: int, lease_left_seconds: float, draw: float) -> float:
    """Return the seconds to wait before the next read: growing, jittered, and not much beyond the end of the lease.

    Args:
        polls: number of pauses so far.
        lease_left_seconds: remaining time of the lease in the way.
        draw: a random number from 0 to below 1.
    """
    jitter = 0.5 + draw / 2
    pause = min(_FIRST_POLL * 1.5 ** min(polls, 10), _LONGEST_POLL) * jitter
    return min(pause, lease_left_seconds + _FIRST_POLL * jitter)


_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{TOKEN_LIMIT}}}")

_ERRORS: Final[Mapping[str, type[TokenError]]] = {
    "credentials": CredentialsRefusedError,
    "unavailable": TokenEndpointUnavailableError,
}


class RecordKey(NamedTuple):
    """Key of a record.

    Attributes:
        name: the token's name in the store.
        url: the token URL.
    """

    name: str
    url: str


class SharedToken(NamedTuple):
    """A token from a shared store.

    Attributes:
        value: the token.
        token_type: its type, or the scheme to present it with.
        scope: its scope.
        lifetime: its lifetime in seconds when it was issued.
        remaining_seconds: seconds until its sealed expiry, and ``SKEW``.
        token_id: its random id.
        after_rejection: it was requested because the API had rejected another one.
        unchanged: it is that other one, which the token endpoint had returned again.
    """

    value: Secret
    token_type: str
    scope: str | None
    lifetime: float
    remaining_seconds: float
    token_id: str
    after_rejection: bool
    unchanged: bool = False


class SharedError(NamedTuple):
    """An error of the token endpoint from a shared store, and the seconds for which it still counts."""

    error: TokenError
    remaining_seconds: float


def seal_token(keyring: Keyring, key: RecordKey, token: AccessToken, expires_at: float, *, after_rejection: bool) -> bytes:
    """Return the record of ``token``, without the token id before it. It expires at the Unix time ``expires_at``."""
    return _seal(
        keyring,
        key,
        token_id=token.token_id,
        token=token.value.reveal(),
        type=token.token_type,
        scope=token.scope,
        lifetime=token.lifetime,
        expires_at=expires_at,
        after_rejection=after_rejection,
        unchanged=token.unchanged is not None,
    )


def open_token(keyring: Keyring, key: RecordKey, record: bytes, now: float, scheme: str | None = None) -> SharedToken | str:
    """Return the token in ``record``, or the reason for which there is none that belongs to ``key``.

    ``now`` is the Unix time. ``scheme`` is the authentication scheme to present it with. Default: it must be a Bearer token.
    """
    members = _open(keyring, key, record[ID_LENGTH:])
    if isinstance(members, str):
        return members
    if str(members.get("token_id")).encode() != record[:ID_LENGTH]:
        return "its token id does not match"
    seconds = _remaining_seconds(members, now)
    if isinstance(seconds, str):
        return seconds
    match members:
        case {"token": str() as value, "type": str() as kind} if seconds:
            fits = _VISIBLE.fullmatch(value) and (scheme or kind.lower() == "bearer")
            if fits and isinstance(members.get("scope"), str | None):
                return SharedToken(
                    Secret(value),
                    scheme or kind,
                    members.get("scope"),
                    float(members["lifetime"]),
                    seconds,
                    members["token_id"],
                    after_rejection=members.get("after_rejection") is True,
                    unchanged=members.get("unchanged") is True,
                )
        case _:
            pass
    return "it holds no token"


def seal_error(keyring: Keyring, key: RecordKey, error: TokenError, lifetime: float, now: float) -> bytes:
    """Return the record of an error, which counts for ``lifetime`` seconds from the Unix time ``now``.

    It holds no secret; the seal keeps others from inventing one.
    """
    kind = next(name for name, kind in _ERRORS.items() if isinstance(error, kind))
    return _seal(
        keyring,
        key,
        error=kind,
        lifetime=lifetime,
        expires_at=now + lifetime,
        message=error.message,
        remedy=error.remedy,
        code=error.code,
        status_code=error.status_code,
        error_reference=error.error_reference,
    )


def open_error(keyring: Keyring, key: RecordKey, record: bytes, now: float) -> SharedError | str:
    """Return the error in ``record`` at the Unix time ``now``, or the reason why there is none for ``key``."""
    members = _open(keyring, key, record)
    if isinstance(members, str):
        return members
    kind, seconds = _ERRORS.get(str(members.get("error"))), _remaining_seconds(members, now)
    if isinstance(seconds, str):
        return seconds
    if kind is None or seconds is None:
        return "it holds no error"
    status = members.get("status_code")
    error = kind(
        str(members.get("message")),
        url=key.url,
        remedy=_text(members, "remedy"),
        code=_text(members, "code"),
        status_code=status if isinstance(status, int) else None,
        error_reference=_text(members, "error_reference"),
    )
    return SharedError(error, seconds)


def _seal(keyring: Keyring, key: RecordKey, **members: object) -> bytes:
    return keyring.seal(json.dumps({"name": key.name, "url": key.url, **members}).encode())


def _open(keyring: Keyring, key: RecordKey, sealed: bytes) -> Mapping[str, Any] | str:
    plain = keyring.open(sealed) if len(sealed) <= SIZE_LIMIT else None
    if plain is None:
        return "no configured key opens it"
    members = json_object(plain)
    if members is None or members.get("name") != key.name or members.get("url") != key.url:
        return "it was sealed for another token or token endpoint"
    return members


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


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None
