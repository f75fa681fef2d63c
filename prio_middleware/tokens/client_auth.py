"""Client authentication at the token endpoint (RFC 6749 §2.3, RFC 7523), made by Authlib.

Authlib is loaded where a client is made, not with this module: loading it takes longer than all of this package.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, Self
from urllib.parse import parse_qsl, quote_plus

from ..errors import ConfigurationError
from ..secret import Secret
from .signing_key import SigningKey, load_signing_key

_FINGERPRINT_KEY = secrets.token_bytes(32)


class Credentials:
    """What one token request carries to authenticate its client. It shows nothing of itself.

    It is no dataclass: ``asdict`` of what it is in, and loggers that do the same, would open it.

    Attributes:
        headers: headers to add.
        body: parameters to add to the body, before it is encoded.
        secrets: whatever of this a server might echo, and no error may repeat.
    """

    __slots__ = ("body", "headers", "secrets")

    def __init__(
        self,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: tuple[tuple[str, str], ...] = (),
        secrets: tuple[Secret, ...] = (),
    ) -> None:
        self.headers = headers
        self.body = body
        self.secrets = secrets

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return "<Credentials **>"


class ClientAuth(Protocol):
    """How a client proves to the token endpoint who it is.

    Attributes:
        method: its registered name (RFC 7591 §2, ``token_endpoint_auth_method``).
        client_id: who the client says it is.
        fingerprint: another one for other credentials. It is keyed: it tells nothing of them, and only within this process.
    """

    @property
    def method(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...

    def apply(self, token_url: str) -> Credentials:
        """The credentials for one request. They are asked for anew for every attempt."""
        ...

    def digest(self, key: bytes) -> str:
        """Another one for other credentials, and the same in every process that has ``key``: an HMAC under it."""
        ...


@dataclass(frozen=True, repr=False)
class ClientSecretBasic:
    """Client id and secret in HTTP Basic.

    RFC 6749 §2.3.1 wants both form-encoded first (``encoding="form"``); many servers, Prio among them, want them as they are
    (``"raw"``). Beyond ASCII they go out as UTF-8, the one charset that RFC 7617 §2.1 knows.

    Raises:
        ConfigurationError: either is empty or holds a control character; the id holds a colon, and is to be sent raw; there is
            no such encoding.
    """

    client_id: str
    client_secret: Secret
    encoding: Literal["raw", "form"] = "raw"
    method: str = field(default="client_secret_basic", init=False)
    fingerprint: str = field(init=False)
    _credentials: Credentials = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _require(self.client_id, self.client_secret)
        if self.encoding not in _ENCODINGS:
            raise ConfigurationError(f"The encoding of Basic credentials is {self.encoding!r}; expected is raw or form.")
        if self.encoding == "raw" and ":" in self.client_id:
            raise ConfigurationError(
                f"The client id {self.client_id!r} holds a colon, which ends the id in HTTP Basic (RFC 7617 §2).",
                remedy='Set the encoding of Basic credentials to "form", or use client_secret_post, if the server takes it.',
            )
        object.__setattr__(self, "fingerprint", self.digest(_FINGERPRINT_KEY))
        object.__setattr__(self, "_credentials", _basic(self.client_id, self.client_secret, _ENCODINGS[self.encoding]))

    def apply(self, token_url: str) -> Credentials:
        return self._credentials

    def digest(self, key: bytes) -> str:
        return _digest(key, self.method, self.encoding, self.client_id, self.client_secret)

    def __repr__(self) -> str:
        return f"<ClientSecretBasic {self.client_id!r} **>"


@dataclass(frozen=True, repr=False)
class ClientSecretPost:
    """Client id and secret in the body, encoded as the rest of it is.

    Raises:
        ConfigurationError: either is empty or holds a control character.
    """

    client_id: str
    client_secret: Secret
    method: str = field(default="client_secret_post", init=False)
    fingerprint: str = field(init=False)
    _credentials: Credentials = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _require(self.client_id, self.client_secret)
        object.__setattr__(self, "fingerprint", self.digest(_FINGERPRINT_KEY))
        object.__setattr__(self, "_credentials", _post(self.client_id, self.client_secret))

    def apply(self, token_url: str) -> Credentials:
        return self._credentials

    def digest(self, key: bytes) -> str:
        return _digest(key, self.method, self.client_id, self.client_secret)

    def __repr__(self) -> str:
        return f"<ClientSecretPost {self.client_id!r} **>"


@dataclass(frozen=True, repr=False)
class PrivateKeyJWT:
    """A signed assertion in place of a secret (RFC 7523 §2.2): RS, PS or ES with SHA-256 to -512, or EdDSA.

    Attributes:
        client_id: issuer and subject of the assertion.
        private_key: PEM, or a JWK in JSON; not encrypted.
        algorithm: one that fits the key. By default the one its JWK names, else the usual one for such a key.
        key_id: the ``kid`` header, for a server that knows several keys. By default the one the JWK names.
        audience: whom the assertion is for: the server's issuer identifier where that is known, else its token URL.

    Raises:
        ConfigurationError: the client id is empty or holds a control character; the key cannot be read, is not private, too
            short, or does not fit the algorithm.
    """

    client_id: str
    private_key: Secret
    algorithm: str | None = None
    key_id: str | None = None
    audience: str | None = None
    method: str = field(default="private_key_jwt", init=False)
    fingerprint: str = field(init=False)
    _key: SigningKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _require(self.client_id)
        key = load_signing_key(self.private_key, self.algorithm, self.key_id)
        if isinstance(key, str):
            raise ConfigurationError(f"{key} It is the key of client id {self.client_id!r}.")
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "fingerprint", self.digest(_FINGERPRINT_KEY))

    def apply(self, token_url: str) -> Credentials:
        from authlib.oauth2.rfc7523.client import ASSERTION_TYPE

        assertion = Secret(self._key.sign(self.client_id, self.audience or token_url))
        body = (("client_assertion_type", str(ASSERTION_TYPE)), ("client_assertion", assertion.reveal()))
        return Credentials(body=body, secrets=(assertion,))

    def digest(self, key: bytes) -> str:
        return _digest(key, self.method, self._key.algorithm, self._key.key_id or "", self.client_id, self.private_key)

    def __repr__(self) -> str:
        return f"<PrivateKeyJWT {self.client_id!r} **>"


def _basic(client_id: str, client_secret: Secret, encode: Callable[[str], str]) -> Credentials:
    from authlib.oauth2.auth import ClientAuth as AuthlibAuth

    sent = Secret(encode(client_secret.reveal()))
    auth = AuthlibAuth(_as_latin1(encode(client_id)), _as_latin1(sent.reveal()), "client_secret_basic")
    _, headers, _ = auth.prepare("POST", "", {}, "")
    return Credentials(headers, secrets=(client_secret, sent, Secret(headers["Authorization"].removeprefix("Basic "))))


def _post(client_id: str, client_secret: Secret) -> Credentials:
    from authlib.oauth2.auth import ClientAuth as AuthlibAuth

    # An empty body: Authlib would take one in JSON for a form and mangle it.
    _, _, form = AuthlibAuth(client_id, client_secret.reveal(), "client_secret_post").prepare("POST", "", {}, "")
    return Credentials(body=tuple(parse_qsl(form)), secrets=(client_secret,))


def _as_latin1(text: str) -> str:
    """The text whose bytes in latin-1, which is how Authlib encodes, are those of ``text`` in UTF-8."""
    return text.encode().decode("latin-1")


def _require(client_id: str, client_secret: Secret | None = None) -> None:
    """Neither may be empty or hold what would end a header (RFC 6749 appendix A.1 and A.2 allow visible characters only)."""
    if not _is_visible(client_id):
        raise ConfigurationError("The client id is empty, or holds a line break or another control character.")
    if client_secret is not None and not _is_visible(client_secret.reveal()):
        raise ConfigurationError(
            f"The secret of client id {client_id!r} is empty, or holds a line break or another control character.",
            remedy="Look for a line break at the end of the file or variable that it comes from.",
        )


def _is_visible(text: str) -> bool:
    return bool(text) and text.isprintable()


def _digest(key: bytes, *parts: str | Secret) -> str:
    clear = [part.reveal() if isinstance(part, Secret) else part for part in parts]
    return hmac.new(key, json.dumps(clear).encode(), "sha256").hexdigest()


_ENCODINGS: dict[str, Callable[[str], str]] = {"raw": str, "form": quote_plus}
