"""The token endpoint, sans I/O: what to send, and what the answer means (RFC 6749 §4.4, §5)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from ..errors import ConfigurationError, TokenError
from ..secret import Secret
from ..text import safe_url
from .answer import ANSWER_LIMIT, TokenAnswer, read_answer
from .client_auth import ClientAuth
from .expiry import ExpiryPolicy

if TYPE_CHECKING:
    from .token import AccessToken, TokenOptions

__all__ = ["ANSWER_LIMIT", "BodyFormat", "TokenAnswer", "TokenEndpoint", "TokenRequest"]

BodyFormat = Literal["json", "form"]

_CONTENT_TYPES: dict[BodyFormat, str] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}

SHORTEST_SECRET_PARAM = 8
"""Characters of a further parameter's value that no error repeats after the server."""

# What has a place of its own, and must not be said twice, nor differently.
_RESERVED = frozenset(
    ["grant_type", "scope", "audience", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type"]
)


class TokenRequest:
    """A request to the authorization server, ready to be sent. It prints itself without headers and body.

    It is no dataclass, so that ``asdict`` cannot open it.

    Attributes:
        url: the token URL, or where the server's metadata are.
        headers: header names and values, the credentials among them.
        body: the encoded body.
        timeout: seconds that each of connect, read, write and waiting for a connection may take.
        budget: seconds that the attempt may take as a whole.
        secrets: whatever of this the server might echo, and no error may repeat.
        method: ``POST`` for a token, ``GET`` for metadata.
    """

    __slots__ = ("body", "budget", "headers", "method", "secrets", "timeout", "url")

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout: float,
        budget: float,
        secrets: tuple[Secret, ...] = (),
        method: Literal["POST", "GET"] = "POST",
    ) -> None:
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.budget = budget
        self.secrets = secrets
        self.method = method

    def __repr__(self) -> str:
        return f"<TokenRequest {self.method} {safe_url(self.url)}>"


@dataclass(frozen=True, slots=True, repr=False)
class TokenEndpoint:
    """Makes token requests for one client, and reads what comes back.

    Attributes:
        url: the token URL; the issuer, where that is still to be discovered.
        auth: how the client authenticates.
        body_format: how the request's body is encoded. RFC 6749 §4.4.2 says ``"form"``, Prio wants ``"json"``.
        timeout: seconds that each step of an attempt may take.
        expiry: what to make of ``expires_in``.
        client: the configured name of the client, for errors.

    Raises:
        ConfigurationError: the body format is unknown, or the timeout is not positive and finite.
    """

    url: str
    auth: ClientAuth
    body_format: BodyFormat = "form"
    timeout: float = 10.0
    expiry: ExpiryPolicy = field(default_factory=ExpiryPolicy)
    client: str = "default"

    def __post_init__(self) -> None:
        if self.body_format not in _CONTENT_TYPES:
            raise self._mistake(f"The body format is {self.body_format!r}; expected is json or form.")
        if not 0 < self.timeout < math.inf:
            raise self._mistake(f"The timeout of token requests is {self.timeout}; expected is a positive number of seconds.")

    def request(self, options: TokenOptions, deadline: float, now: float) -> TokenRequest:
        """A request for one attempt, with credentials of its own.

        Args:
            options: what to ask for.
            deadline: the moment of ``time.monotonic()`` at which the whole fetch is given up.
            now: the present moment of that clock.

        Raises:
            ConfigurationError: a parameter that cannot be sent, or that has an option of its own.
        """
        self._check(options)
        credentials = self.auth.apply(self.url)
        left = max(deadline - now, 0.0)
        return TokenRequest(
            self.url,
            {
                "Accept": "application/json",
                # A few compressed bytes can unfold to gigabytes.
                "Accept-Encoding": "identity",
                "Content-Type": _CONTENT_TYPES[self.body_format],
                **credentials.headers,
            },
            _encode([*_parameters(options), *credentials.body], self.body_format),
            timeout=min(self.timeout, left),
            budget=left,
            secrets=(*credentials.secrets, *_secret_params(options)),
        )

    def read(self, answer: TokenAnswer, asked_at: float, request: TokenRequest) -> AccessToken | TokenError:
        """What the answer to ``request`` means. An error is returned, not raised: no frame with the answer in it is kept.

        Args:
            answer: what came back, or why nothing did.
            asked_at: the moment of ``time.monotonic()`` before the request left, from which the token's life counts.
            request: what was sent, whose secrets the server may have echoed.
        """
        outcome = read_answer(answer, asked_at, self.expiry, request.secrets)
        if isinstance(outcome, TokenError):
            return outcome.copy(client=self.client, url=safe_url(self.url))
        return outcome

    def _check(self, options: TokenOptions) -> None:
        for name, value in _parameters(options):
            if not (name.isprintable() and value.isprintable()):
                raise self._mistake(f"The token parameter {name!r} holds a line break or another control character.")
        for name, _ in options.params:
            if name in _RESERVED:
                raise self._mistake(
                    f"The token parameter {name!r} cannot be among the extra parameters.",
                    "Set scope, audience, resource and the client's credentials by their own options.",
                )

    def _mistake(self, message: str, remedy: str | None = None) -> ConfigurationError:
        return ConfigurationError(message, client=self.client, url=self.url, remedy=remedy)

    def __repr__(self) -> str:
        return f"<TokenEndpoint {safe_url(self.url)} of {self.client!r}>"


def _parameters(options: TokenOptions) -> list[tuple[str, str]]:
    named = {"scope": options.scope, "audience": options.audience, "resource": options.resource}
    given = [(name, value) for name, value in named.items() if value is not None]
    return [("grant_type", "client_credentials"), *given, *options.params]


def _secret_params(options: TokenOptions) -> Iterator[Secret]:
    """Values that may be secrets. In short ones, everyday words, there is nothing to keep, and errors may say them."""
    return (Secret(value) for _, value in options.params if len(value) >= SHORTEST_SECRET_PARAM)


def _encode(pairs: list[tuple[str, str]], body_format: BodyFormat) -> bytes:
    return (json.dumps(dict(pairs)) if body_format == "json" else urlencode(pairs)).encode()
