"""Access tokens and their lifetime (RFC 6749 §5.1)."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from .._util.secret import Secret
from ..errors import ConfigurationError

_serials = itertools.count(1)

ROUNDED_LIFETIME: Final = 1.0  # Seconds, for a token whose server names 0 or less: at most one token request in a second.
FIELD_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # Header value (RFC 9110 §5.5) that every server reads alike.
SCHEME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # Authentication scheme (RFC 9110 §5.6.2, §11.1).


class TokenOptions(NamedTuple):
    """Options of a token. A client has defaults; ``extensions={"prio": {...}}`` overrides them for one request.

    Attributes:
        scope: space-delimited scopes (RFC 6749 §3.3).
        audience: the API that the token is for, if the server requires its name.
        resource: the same, as RFC 8707 defines it.
        params: further parameters of the token request, as sorted pairs. ``repr`` masks their values: they may be secrets.
        account: the account whose token it is. Default: the client's own.
    """

    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    account: str | None = None

    def __repr__(self) -> str:
        params = ", ".join(f"{name}=**" for name, _ in self.params)
        account = f", account={self.account!r}" if self.account is not None else ""
        named = f"scope={self.scope!r}, audience={self.audience!r}, resource={self.resource!r}"
        return f"TokenOptions({named}, params=({params}){account})"

    def without_account(self) -> TokenOptions:
        """Return these options without the account, for its own token provider."""
        scope, audience, resource, params, _ = self
        if scope is None and audience is None and resource is None and not params:
            return DEFAULT_OPTIONS
        return TokenOptions(scope, audience, resource, params)

    def over(self, defaults: TokenOptions) -> TokenOptions:
        """Return these options without the account, completed by ``defaults``."""
        if self is DEFAULT_OPTIONS:
            return defaults
        return TokenOptions(
            scope=defaults.scope if self.scope is None else self.scope,
            audience=defaults.audience if self.audience is None else self.audience,
            resource=defaults.resource if self.resource is None else self.resource,
            params=tuple(sorted((dict(defaults.params) | dict(self.params)).items())),
        )


DEFAULT_OPTIONS = TokenOptions()


def new_id() -> str:
    """Return 32 random characters."""
    return os.urandom(16).hex()


@dataclass(slots=True)
class Unchanged:
    """Note on a token that the server returned again after the API had rejected it."""

    fresh_until: float  # Moment from which a new token would be due if the API had not rejected this one.
    works: bool = False  # The API has accepted the token since.


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AccessToken:
    """An access token (RFC 6749 §1.4). Its ``repr`` does not show its value.

    Attributes:
        value: the token, masked: printable ASCII characters, without spaces around them.
        token_type: authentication scheme of the ``Authorization`` header (RFC 6749 §7.1).
        scope: the granted scopes, if the server named them.
        expires_at: moment of its expiry, in seconds of ``time.monotonic()``.
        fresh_until: moment from which a new token is due: ``expires_at`` minus the leeway.
        lifetime: its lifetime in seconds when it was issued.
        source: ``"endpoint"``: the token endpoint; ``"shared"``: the shared store.
        serial: a number that rises with every token of this process.
        token_id: a random id, by which the processes that share the token refer to it.
        unchanged: set if the token endpoint returned this value again after the API had rejected it. New calls are sent with
            the token, and not retried.

    Raises:
        ConfigurationError: the token is no :class:`Secret`, or a header cannot hold it or its type.
    """

    value: Secret
    token_type: str = "Bearer"
    scope: str | None = None
    expires_at: float = float("inf")
    fresh_until: float = float("inf")
    lifetime: float = float("inf")
    source: Literal["endpoint", "shared"] = "endpoint"
    serial: int = field(default_factory=lambda: next(_serials))
    token_id: str = field(default_factory=new_id)
    unchanged: Unchanged | None = None
    header: Secret = field(init=False)

    def __post_init__(self) -> None:
        problem = _problem(self.value, self.token_type)
        if problem:
            raise ConfigurationError(f"The token {problem}.", remedy="Correct the token, or the provider that returns it.")
        object.__setattr__(self, "header", Secret(f"{self.token_type} {self.value.reveal()}"))

    def authorization(self) -> str:
        """Return the value of the ``Authorization`` header, unmasked."""
        return self.header.reveal()

    def fingerprint(self) -> bytes:
        """Return a digest of the value, equal for equal tokens."""
        return hashlib.sha256(self.value.reveal().encode()).digest()

    def mark_unchanged(self, fresh_until: float) -> AccessToken:
        """Return a copy with a note that the API has rejected this value. The next fetch is due at ``fresh_until``."""
        return replace(self, unchanged=Unchanged(self.fresh_until), fresh_until=min(fresh_until, self.expires_at))

    def mark_working(self, note: Unchanged) -> AccessToken:
        """Return a newer copy without ``note``, because the API has accepted the token again."""
        return replace(self, unchanged=None, fresh_until=note.fresh_until, serial=next(_serials))

    def __repr__(self) -> str:
        return f"<AccessToken #{self.serial} {self.token_type} **>"


def _problem(value: object, token_type: object) -> str | None:
    """Return the reason why a header cannot hold the token. An HTTP library would show the token in its own error."""
    text: object = value.reveal() if isinstance(value, Secret) else None
    if not isinstance(text, str):
        return "is no text in a Secret"
    if not FIELD_VALUE.fullmatch(text):
        return "is empty, begins or ends with a space, or contains a line break or another character that a header cannot hold"
    if not (isinstance(token_type, str) and SCHEME.fullmatch(token_type)):
        return "has a type that is no authentication scheme, such as Bearer (RFC 9110 §11.1)"
    return None


_NUMBER = re.compile(r"(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*(?:s|secs?|seconds?)?", re.IGNORECASE)

_drawn: dict[int, float] = {}  # By process id.


def draw_of_this_process() -> float:
    """Return a random number from 0 to below 1, constant while the process runs. A forked child draws its own."""
    return _drawn.setdefault(os.getpid(), random.SystemRandom().random())


# Defaults of the settings, too.
DEFAULT_LIFETIME: Final = 300.0  # Lifetime of a token in seconds, if the server names none.
MAX_LIFETIME: Final = 86_400.0  # Maximum lifetime of a token in seconds.
LEEWAY_FRACTION: Final = 0.1  # Leeway before the expiry, as a fraction of the lifetime.
LEEWAY_MAX: Final = 30.0  # Maximum leeway in seconds.
LEEWAY_JITTER: Final = 0.5  # Fraction of the leeway that is drawn at random for each process.


@dataclass(frozen=True, slots=True)
class ExpiryPolicy:
    """Rules that turn ``expires_in`` (RFC 6749 §5.1) into a lifetime and a leeway, in seconds: see the settings of these names.

    Attributes:
        jitter: the setting ``leeway_jitter``: largest fraction of the leeway that a process omits.
        draw: returns the part of that fraction that this process omits, from 0 to 1.

    Raises:
        ConfigurationError: a time is not positive and finite (the leeway may be 0), or a fraction is not in 0 to below 1.
    """

    default_lifetime: float = DEFAULT_LIFETIME
    max_lifetime: float = MAX_LIFETIME
    leeway_fraction: float = LEEWAY_FRACTION
    leeway_max: float = LEEWAY_MAX
    jitter: float = LEEWAY_JITTER
    draw: Callable[[], float] = draw_of_this_process

    def __post_init__(self) -> None:
        for name, fits, expected in (
            ("default_lifetime", 0 < self.default_lifetime < math.inf, "a positive number of seconds"),
            ("max_lifetime", 0 < self.max_lifetime < math.inf, "a positive number of seconds"),
            ("leeway_fraction", 0 <= self.leeway_fraction < 1, "a fraction from 0 to below 1"),
            ("jitter", 0 <= self.jitter < 1, "a fraction from 0 to below 1"),
            ("leeway_max", 0 <= self.leeway_max < math.inf, "a number of seconds, or 0"),
        ):
            if not fits:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected is {expected}.")

    def lifetime(self, expires_in: object) -> float | None:
        """Return the lifetime in seconds, or None if ``expires_in`` is not a number.

        Servers send integers, floats, both as a string (``"3600"``, ``"3600s"``), ``null`` or nothing. 0 and less mean
        :data:`ROUNDED_LIFETIME`: some servers round the last second of a cached token down.
        """
        seconds = self.default_lifetime if expires_in is None else _number(expires_in)
        if seconds is None:
            return None
        return float(min(seconds if seconds > 0 else ROUNDED_LIFETIME, self.max_lifetime))

    def leeway(self, lifetime: float) -> float:
        """Return the seconds before expiry at which a new token is due: less than ``lifetime``; 0 for a rounded lifetime."""
        if lifetime == ROUNDED_LIFETIME:
            return 0.0
        return min(lifetime * self.leeway_fraction, self.leeway_max) * (1 - self.jitter * self.draw())


def _number(value: object) -> int | float | None:
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        return float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -math.inf < value < math.inf else None
