"""Tokens that are not fetched: a fixed one, one from a file, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from .._util.clock import Clock, current_clock
from .._util.secret import RecentSecrets, Secret
from ..errors import TokenError
from .access_token import AccessToken, TokenOptions
from .effects import AsyncSend, Send

LOOK_SECONDS: Final = 1.0
"""Shortest time in seconds between two looks at a file of static credentials."""


class StaticTokenProvider:
    """Provider of one fixed token that is renewed elsewhere.

    Args:
        token: the token.
        token_type: the scheme to present it with.
        changed: returns the present token of a file, or None if it has not changed. Called once in a second at most, and when
            the API rejects the token.
        client: the configured name of the client, for errors.
        clock: seconds of a monotonic clock.

    Raises:
        ConfigurationError: a header cannot hold the token or its type, for example because of a line break at its end.
    """

    def __init__(
        self,
        token: str | Secret,
        token_type: str = "Bearer",
        *,
        changed: Callable[[], Secret | None] | None = None,
        client: str = "default",
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(token, Secret):
            token = Secret(token)  # No local variable may hold the text: the next line may raise.
        self.client = client
        self._token = AccessToken(token, token_type)
        self._recent = RecentSecrets()
        self._changed = changed
        self._clock = clock or current_clock()
        self._next_look = self._clock() + LOOK_SECONDS

    def current(self, key: TokenOptions, stale: AccessToken | None, /) -> AccessToken | None:
        """Return the token, or None if the API rejected it."""
        if self._changed is not None and (stale or self._clock() >= self._next_look):
            self._next_look = self._clock() + LOOK_SECONDS
            value = self._changed()
            if value is not None and value != self._token.value:
                self._recent.add(self._token.value)
                self._token = AccessToken(value, self._token.token_type)
        return self._token if stale is None or self._token.serial > stale.serial else None

    def get_token(
        self, key: TokenOptions, stale: AccessToken | None, send: Send, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Return the token if it has changed since the API rejected it.

        Raises:
            TokenError: there is no other token.
        """
        return self.current(key, stale) or self._fail()

    async def aget_token(
        self, key: TokenOptions, stale: AccessToken | None, send: AsyncSend, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Do the same for a task."""
        return self.current(key, stale) or self._fail()

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        """The tokens that a file held before the present one: no error repeats them if a server echoes them."""
        return tuple(self._recent)

    def invalidate(self, token: AccessToken, /) -> None:
        """Do nothing: there is no other token."""

    def _fail(self) -> NoReturn:
        raise TokenError(
            "The API rejected the fixed token, and there is no other.",
            client=self.client,
            remedy="Give the client a new token, or credentials to fetch one.",
        )


class NoTokenProvider(StaticTokenProvider):
    """Provider of a pipeline whose requests carry no token, because a component of it authenticates them otherwise.

    The guards, telemetry and redirects are as with a token.
    """

    omits_token: Final = True

    def __init__(self, *, client: str = "default") -> None:
        super().__init__("-", client=client)
