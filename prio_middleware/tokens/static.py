"""A fixed token: for tests, and for whoever gets tokens by other means."""

from __future__ import annotations

from ..errors import TokenError
from ..secret import Secret
from .effects import AsyncSend, Send
from .token import AccessToken, TokenOptions


class StaticTokenProvider:
    """One fixed token that somebody else looks after."""

    def __init__(self, token: str | Secret, token_type: str = "Bearer") -> None:
        value = token if isinstance(token, Secret) else Secret(token)
        self._token = AccessToken(value, token_type)

    def current(self, key: TokenOptions, stale: AccessToken | None, /) -> AccessToken | None:
        """The token, unless it was refused."""
        return None if stale else self._token

    def get_token(self, key: TokenOptions, stale: AccessToken | None, send: Send, /) -> AccessToken:
        """Never another token.

        Raises:
            TokenError: always: there is no other one.
        """
        raise _no_other_token()

    async def aget_token(self, key: TokenOptions, stale: AccessToken | None, send: AsyncSend, /) -> AccessToken:
        """The same, awaiting."""
        raise _no_other_token()

    def invalidate(self, token: AccessToken, /) -> None:
        """Nothing: the token is all there is."""


def _no_other_token() -> TokenError:
    return TokenError(
        "The fixed token was refused, and there is no other.",
        remedy="Give the client a new token, or credentials to fetch one.",
    )
