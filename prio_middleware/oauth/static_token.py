"""Providers of tokens that are not fetched: a fixed token, the token in a file, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from .._util.clock import Clock, current_clock
from .._util.secret import RecentSecrets, Secret
from ..errors import TokenError
from .access_token import AccessToken, TokenOptions
from .effects import AsyncSend, Send

LOOK_SECONDS: Final = 1.0  # Minimum seconds between two checks of a file with static credentials.


class StaticTokenProvider:
    """Provider of one fixed token that is renewed elsewhere.

    Args:
        token_type: authentication scheme of the ``Authorization`` header.
        changed: returns the token in a file if the file has changed, else None. It is called once in a second at most, and
            when the API has rejected the token.
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

    def current(self, options: TokenOptions, rejected: AccessToken | None, /) -> AccessToken | None:
        """Return the token, or None if the API rejected it."""
        if self._changed is not None and (rejected or self._clock() >= self._next_look):
            self._next_look = self._clock() + LOOK_SECONDS
            value = self._changed()
            if value is not None and value != self._token.value:
                self._recent.add(self._token.value)
                self._token = AccessToken(value, self._token.token_type)
        return self._token if rejected is None or self._token.serial > rejected.serial else None

    def get_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: Send, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Return the token.

        Raises:
            TokenError: the API rejected it, and there is no other.
        """
        return self.current(options, rejected) or self._fail()

    async def aget_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: AsyncSend, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Async version of :meth:`get_token`."""
        return self.current(options, rejected) or self._fail()

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        """The tokens that a file held before the present one: no error repeats them if a server echoes them."""
        return tuple(self._recent)

    def invalidate(self, token: AccessToken, /) -> None:
        """Do nothing: :meth:`current` compares the rejected token."""

    def _fail(self) -> NoReturn:
        raise TokenError(
            "The API rejected the fixed token, and there is no other.",
            client=self.client,
            remedy="Give the client a new token, or credentials to fetch one.",
        )


class NoTokenProvider(StaticTokenProvider):
    """Provider for requests without a token: a component of the pipeline, such as ``StaticHeaders``, authenticates them."""

    omits_token: Final = True

    def __init__(self, *, client: str = "default") -> None:
        super().__init__("-", client=client)
