"""Refusal rules: statuses and error codes that may reject a token, as data for each kind of server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RefusalRules:
    """Refusals that may reject the token, so that a new one may help. Codes are compared without case.

    Attributes:
        statuses: the statuses of such refusals, each with its error codes. None means any code.
        never: codes for which no new token helps (RFC 6750 §3.1). They take precedence over all others.
        always: codes that name the token, with any of the statuses.
        any_scheme: statuses that count even if ``WWW-Authenticate`` names only other schemes.
    """

    statuses: Mapping[int, frozenset[str] | None]
    never: frozenset[str] = field(default=frozenset({"insufficient_scope"}))
    always: frozenset[str] = field(default=frozenset({"invalid_token"}))
    any_scheme: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        statuses = {status: codes if codes is None else _folded(codes) for status, codes in self.statuses.items()}
        object.__setattr__(self, "statuses", MappingProxyType(statuses))
        object.__setattr__(self, "never", _folded(self.never))
        object.__setattr__(self, "always", _folded(self.always))

    def may_reject_token(self, status_code: int, *codes: str | None) -> bool:
        """Return True if a refusal with ``codes``, of its body and its challenge, may reject the token."""
        given = _folded(code for code in codes if code)
        if status_code not in self.statuses or given & self.never:
            return False
        listed = self.statuses[status_code]
        return listed is None or bool(given & (listed | self.always))

    def names_token(self, status_code: int, *codes: str | None) -> bool:
        """Return True if the refusal is explicit: one of ``codes``, and not only the status, rejects the token."""
        given = _folded(code for code in codes if code)
        return bool(given & (self.always | (self.statuses.get(status_code) or frozenset())))

    def wants_other_scheme(self, status_code: int, schemes: frozenset[str], token_type: str) -> bool:
        """Return True if the server asks only for schemes other than Bearer and ``token_type``. ``any_scheme`` is exempt."""
        return bool(schemes) and status_code not in self.any_scheme and not schemes & {"bearer", token_type.lower()}

    def over(self, statuses: Mapping[int, frozenset[str] | None]) -> RefusalRules:
        """Return a copy in which ``statuses`` replace the entries of the same statuses, and count under any scheme."""
        return replace(self, statuses={**self.statuses, **statuses}, any_scheme=self.any_scheme | statuses.keys())


def _folded(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(code.lower() for code in codes)


RFC6749_REFUSALS = RefusalRules({401: None, 403: frozenset(), 400: frozenset()})
"""Rules of the preset ``rfc6749`` (RFC 6750 §3.1): 401 with any code, and 400 or 403 with ``invalid_token``."""

_TOKEN_CODES = frozenset({
    "access_token_expired", "authorization_required", "expired_token", "invalid_access_token", "invalid_authorization",
    "invalid_authorization_header", "missing_authorization", "missing_authorization_header", "missing_token", "revoked_token",
    "token_expired", "token_invalid", "token_missing", "token_revoked", "unauthorized",
})  # fmt: skip

PRIO_REFUSALS = RefusalRules({401: None, 403: None, 400: _TOKEN_CODES})
"""Rules of the Distributor API. A 403 means a revoked token or a missing privilege; a 400 means a malformed token or any other
bad request. The codes for malformed tokens are not documented, so these are the likely ones."""
