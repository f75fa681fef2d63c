"""Which refusals may be about the token: data, one set of rules for each kind of server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RefusalRules:
    """Which refusals a new token may cure. Codes are compared without regard to case.

    Attributes:
        statuses: the statuses to look at. None stands for any error code; a set, for those codes alone.
        never: codes that no new token cures (RFC 6750 §3.1): they go before everything else.
        always: codes that speak of the token under whichever of the statuses.
    """

    statuses: Mapping[int, frozenset[str] | None]
    never: frozenset[str] = field(default=frozenset({"insufficient_scope"}))
    always: frozenset[str] = field(default=frozenset({"invalid_token"}))

    def __post_init__(self) -> None:
        statuses = {status: codes if codes is None else _folded(codes) for status, codes in self.statuses.items()}
        object.__setattr__(self, "statuses", MappingProxyType(statuses))
        object.__setattr__(self, "never", _folded(self.never))
        object.__setattr__(self, "always", _folded(self.always))

    def may_be_about_token(self, status_code: int, *codes: str | None) -> bool:
        """Whether a refusal that says ``codes``, in its body or its challenge, may be about the token."""
        said = _folded(code for code in codes if code)
        if status_code not in self.statuses or said & self.never:
            return False
        counting = self.statuses[status_code]
        return counting is None or bool(said & (counting | self.always))


def _folded(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(code.lower() for code in codes)


RFC6749_REFUSALS = RefusalRules({401: None, 403: frozenset(), 400: frozenset()})
"""RFC 6750 §3.1: 401, and ``invalid_token`` wherever it is said."""

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
"""The Distributor API answers 403 to a revoked token and to a missing privilege alike. It answers 400 to a token it cannot read
and to any other bad request: there the code decides. Which codes those are is not documented, so the likely ones stand here."""
