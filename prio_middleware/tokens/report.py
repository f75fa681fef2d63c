"""What a provider knows of its token, for whoever looks at its health."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TokenError


@dataclass(frozen=True, slots=True)
class TokenReport:
    """One look at one token, without I/O and without the token.

    Attributes:
        expires_in: seconds until the token expires, not positive once it has; None where there is none.
        failure: why the last fetch failed, unless one has succeeded since.
        failed_ago: seconds since it did.
        held_back: seconds for which nothing more is tried, where the failure is one that would only repeat itself.
        fetching: a fetch is under way.
        lifetime: seconds that the token was good for when it was asked for; None where there is none.
    """

    expires_in: float | None = None
    failure: TokenError | None = None
    failed_ago: float | None = None
    held_back: float | None = None
    fetching: bool = False
    lifetime: float | None = None

    @property
    def is_usable(self) -> bool:
        """A token is there and has not expired."""
        return self.expires_in is not None and self.expires_in > 0
