"""Refusal rules: statuses and error codes that a new token may cure, as data for each kind of server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RefusalRules:
    """Refusals that a new token may cure. Codes are compared without case.

    Attributes:
        statuses: the statuses of such refusals, each with its error codes. None means any code.
        never: codes that no new token cures (RFC 6750 §3.1). They override all else.
        always: codes that name the token, with any of the statuses.
        any_scheme: statuses that count even if ``WWW-Authenticate`` names other schemes only.
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

    def may_be_about_token(self, status_code: int, *codes: str | None) -> bool:
        """Return True if a refusal with these ``codes``, in body or challenge, may reject the token."""
        given = _folded(code for code in codes if code)
        if status_code not in self.statuses or given & self.never:
            return False
        counting = self.statuses[status_code]
        return counting is None or bool(given & (counting | self.always))

    def names_token(self, status_code: int, *codes: str | None) -> bool:
        """Return True if a code says that the token is invalid, not just the status."""
        given = _folded(code for code in codes if code)
        return bool(given & (self.always | (self.statuses.get(status_code) or frozenset())))

    def wants_other_scheme(self, status_code: int, schemes: frozenset[str], own: str) -> bool:
        """Return True if the server asks only for other authentication schemes than the token's ``own``."""
        return bool(schemes) and status_code not in self.any_scheme and not schemes & {"bearer", own.lower()}

    def over(self, statuses: Mapping[int, frozenset[str] | None]) -> RefusalRules:
        """Return a copy in which ``statuses`` replace the entries of the same statuses."""
        return replace(self, statuses={**self.statuses, **statuses}, any_scheme=self.any_scheme | statuses.keys())


def _folded(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(code.lower() for code in codes)


RFC6749_REFUSALS = RefusalRules({401: None, 403: frozenset(), 400: frozenset()})
"""RFC 6750 §3.1: 401 with any code, and 400 or 403 with ``invalid_token``."""

PRIO_REFUSALS = RefusalRules(
    {
        401: None,
        403: None,
        400: frozenset(
            {
                "access_token_expired",
                "authorization_required",
                "expired_token",
                "invalid_access_token",
                "invalid_authorization",
                "invalid_authorization_header",
                "missing_authorization",
                "missing_authorization_header",
                "missing_token",
                "revoked_token",
                "token_expired",
                "token_invalid",
                "token_missing",
                "token_revoked",
                "unauthorized",
            }
        ),
    }
)
"""Rules of the Distributor API. It answers 403 both to a revoked token and to a missing privilege, and 400 both to a token that
it cannot parse and to any other bad request. The codes for such tokens are not documented, so these are the likely ones."""
