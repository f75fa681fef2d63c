"""The access token: what the header injector writes, and what the provider knows of its life."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..secret import Secret

_serials = itertools.count(1)


class TokenOptions(NamedTuple):
    """What a request asks of its token. A client has defaults; ``extensions={"prio": {...}}`` overrides them for one request.

    Attributes:
        scope: space-delimited scopes (RFC 6749 §3.3).
        audience: the API the token is for, where a server wants it named.
        resource: the same as RFC 8707 spells it.
        params: any further parameters of the token request, as sorted pairs. Their values are not printed: they may be secrets.
    """

    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    params: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        params = ", ".join(f"{name}=**" for name, _ in self.params)
        return f"TokenOptions(scope={self.scope!r}, audience={self.audience!r}, resource={self.resource!r}, params=({params}))"

    def over(self, defaults: TokenOptions) -> TokenOptions:
        """These options, with ``defaults`` for what they leave open."""
        if self is DEFAULT_OPTIONS:
            return defaults
        return TokenOptions(
            scope=defaults.scope if self.scope is None else self.scope,
            audience=defaults.audience if self.audience is None else self.audience,
            resource=defaults.resource if self.resource is None else self.resource,
            params=tuple(sorted((dict(defaults.params) | dict(self.params)).items())),
        )


DEFAULT_OPTIONS = TokenOptions()


def new_generation() -> str:
    """32 random characters."""
    return os.urandom(16).hex()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AccessToken:
    """An access token (RFC 6749 §1.4). It prints itself without its value.

    Attributes:
        value: the token, masked.
        token_type: how to present it, as the server spelt it (RFC 6749 §7.1).
        scope: the granted scopes, where the server named them.
        expires_at: when it expires, in seconds of ``time.monotonic()``.
        fresh_until: when a new one is due: ``expires_at`` less the leeway.
        lifetime: seconds it was good for when it was asked for.
        source: where it came from: the token endpoint, or a store that others share.
        serial: rises with every token of this process: the larger, the newer.
        generation: a random name for it, by which processes that share it speak of it.
    """

    value: Secret
    token_type: str = "Bearer"
    scope: str | None = None
    expires_at: float = float("inf")
    fresh_until: float = float("inf")
    lifetime: float = float("inf")
    source: Literal["endpoint", "shared"] = "endpoint"
    serial: int = field(default_factory=lambda: next(_serials))
    generation: str = field(default_factory=new_generation)
    header: Secret = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", Secret(f"{self.token_type} {self.value.reveal()}"))

    def authorization(self) -> str:
        """The value of the ``Authorization`` header, in the clear."""
        return self.header.reveal()

    def __repr__(self) -> str:
        return f"<AccessToken #{self.serial} {self.token_type} **>"
