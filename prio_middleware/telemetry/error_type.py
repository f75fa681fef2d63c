"""The value of ``error.type``: one of a known few, whatever a server says."""

from __future__ import annotations

from typing import Final

from .. import errors
from ..errors import PrioError

OTHER: Final = "_OTHER"

CANCELLED: Final = "CancelledError"
"""The caller was cancelled or interrupted: the one name here that is Python's."""

CODES: Final = frozenset(
    [
        *("invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"),
        *("unsupported_grant_type", "unsupported_response_type", "access_denied", "server_error", "temporarily_unavailable"),
        *("invalid_token", "insufficient_scope", "invalid_target"),
    ]
)
"""The error codes of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1 and RFC 8707 §2."""

_CLASSES: Final = frozenset(
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, PrioError)
)


def error_type(error: BaseException | None) -> str:
    """What kind of error this is; None: the caller was cancelled."""
    if error is None:
        return CANCELLED
    known = refusal_type(getattr(error, "code", None), getattr(error, "status_code", None))
    if known != OTHER:
        return known
    name = type(error).__name__
    return name if isinstance(error, PrioError) and name in _CLASSES else OTHER


def refusal_type(code: object, status: object) -> str:
    """What kind of refusal this is: its code, if it is a known one, else its status."""
    if isinstance(code, str) and code in CODES:
        return code
    return str(status) if isinstance(status, int) and 100 <= status <= 599 else OTHER
