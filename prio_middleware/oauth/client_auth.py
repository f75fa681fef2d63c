"""Client authentication at the token endpoint (RFC 6749 §2.3, RFC 7523), by Authlib.

The first token request imports Authlib, because that takes longer than the import of this whole package. Only a client with a
private key needs Authlib earlier, to load the key.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import parse_qsl, quote_plus

from .._util.secret import Secret, Unpicklable
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    Key = RSAKey | ECKey | OKPKey

ASSERTION_LIFETIME = 60  # Lifetime of an assertion in seconds: a stolen one is soon useless.
MIN_RSA_BITS = 2048  # Minimum size of an RSA key (RFC 7518 §3.3).

# By key type or curve; the first is the default. Servers know EdDSA; RFC 9864 renamed it to Ed25519.
_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}

_UNUSABLE = (
    "The private key cannot be used. Expected is a private key, not encrypted, in PEM or as a JWK: "
    f"RSA of {MIN_RSA_BITS} bits or more, EC on P-256, P-384 or P-521, or Ed25519."
)

_FINGERPRINT_KEY = secrets.token_bytes(32)

_ENCODINGS: dict[str, Callable[[str], str]] = {"raw": str, "form": quote_plus}


class Credentials(Unpicklable):
    """Headers and parameters that authenticate the client of one token request. Its ``repr`` shows nothing.

    It is no dataclass, so that ``asdict`` of an object that holds it cannot reveal it.

    Attributes:
        body: parameters to add to the body, before it is encoded.
        secrets: parts that the server might echo, and that no error may repeat.
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

    def __repr__(self) -> str:
        return "<Credentials **>"


class ClientAuth(Protocol):
    """Client authentication at the token endpoint.

    Attributes:
        method: its registered name (RFC 7591 §2, ``token_endpoint_auth_method``).
        client_id: the client identifier (RFC 6749 §2.2).
        fingerprint: a keyed hash of the credentials, to tell them from others. It is valid in this process only.
    """

    @property
    def method(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...

    def apply(self, token_url: str) -> Credentials:
        """Return the credentials for one request. Called for every attempt."""
        ...

    def digest(self, key: bytes) -> str:
        """Return an HMAC of the credentials under ``key``: the same in every process that has ``key``."""
        ...


@dataclass(frozen=True, repr=False)
class ClientSecretBasic:
    """Client id and secret in HTTP Basic.

    RFC 6749 §2.3.1 form-encodes both first (``encoding="form"``). Many servers, Prio among them, expect them as they are
    (``"raw"``). Characters beyond ASCII are sent as UTF-8, the one charset of RFC 7617 §2.1.

    Raises:
        ConfigurationError: either is empty or contains a control character; the encoding is raw and the id contains a colon;
            the encoding is unknown.
    """

    client_id: str
    client_secret: Secret
    encoding: Literal["raw", "form"] = "raw"
    method: str = field(default="client_secret_basic", init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        _require(self.client_id, self.client_secret)
        if self.encoding not in _ENCODINGS:
            raise ConfigurationError(f"The encoding of Basic credentials is {self.encoding!r}; expected is raw or form.")
        if self.encoding == "raw" and ":" in self.client_id:
            raise ConfigurationError(
                f"The client id {self.client_id!r} contains a colon, which ends the id in HTTP Basic (RFC 7617 §2).",
                remedy='Set the encoding of Basic credentials to "form", or use client_secret_post, if the server takes it.',
            )
        object.__setattr__(self, "fingerprint", self.digest(_FINGERPRINT_KEY))

    def apply(self, token_url: str) -> Credentials:
        from authlib.oauth2.auth import ClientAuth as AuthlibAuth

        encode = _ENCODINGS[self.encoding]
        secret = Secret(encode(self.client_secret.reveal()))
        auth = AuthlibAuth(_as_latin1(encode(self.client_id)), _as_latin1(secret.reveal()), "client_secret_basic")
        _, headers, _ = auth.prepare("POST", "", {}, "")
        sent = Secret(headers["Authorization"].removeprefix("Basic "))
        return Credentials(headers, secrets=(self.client_secret, secret, sent))

    def digest(self, key: bytes) -> str:
        return _digest(key, self.method, self.encoding, self.client_id, self.client_secret)

    def __repr__(self) -> str:
        return f"<ClientSecretBasic {self.client_id!r} **>"


@dataclass(frozen=True, repr=False)
class ClientSecretPost:
    """Client id and secret in the body, in the encoding of the body.

    Raises:
        ConfigurationError: either is empty or contains a control character.
    """

    client_id: str
    client_secret: Secret
    method: str = field(default="client_secret_post", init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        _require(self.client_id, self.client_secret)
        object.__setattr__(self, "fingerprint", self.digest(_FINGERPRINT_KEY))

    def apply(self, token_url: str) -> Credentials:
        from authlib.oauth2.auth import ClientAuth as AuthlibAuth

        auth = AuthlibAuth(self.client_id, self.client_secret.reveal(), "client_secret_post")
        _, _, form = auth.prepare("POST", "", {}, "")  # An empty body: Authlib would parse one in JSON as a form.
        return Credentials(body=tuple(parse_qsl(form)), secrets=(self.client_secret,))

    def digest(self, key: bytes) -> str:
        return _digest(key, self.method, self.client_id, self.client_secret)

    def __repr__(self) -> str:
        return f"<ClientSecretPost {self.client_id!r} **>"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SigningKey:
    """A private key with its algorithm and the server's id of it. Its ``repr`` shows nothing."""

    key: Key
    algorithm: str
    key_id: str | None

    def sign(self, client_id: str, audience: str) -> str:
        """Return an assertion (RFC 7523 §3) with new ``iat``, ``exp`` and ``jti`` claims."""
        from authlib.oauth2.rfc7523 import private_key_jwt_sign

        if self.algorithm == "EdDSA":
            from joserfc.errors import SecurityWarning

            warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
        header = {"kid": self.key_id} if self.key_id else {}
        return str(
            private_key_jwt_sign(
                self.key, client_id, audience, alg=self.algorithm, header=header, expires_in=ASSERTION_LIFETIME
            )
        )


def load_signing_key(material: Secret, algorithm: str | None = None, key_id: str | None = None) -> SigningKey | str:
    """Return the key in ``material``, PEM or a JWK in JSON, or the problem, without any of the material.

    Default of algorithm and key id: those of the JWK. Default of the algorithm of another key: the first that fits it.
    """
    try:
        from joserfc.jwk import RSAKey

        key = _import_key(material)
        if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
            return _UNUSABLE
        fitting = _ALGORITHMS["RSA" if isinstance(key, RSAKey) else key.curve_name]
        loaded = SigningKey(key, algorithm or key.alg or fitting[0], key_id or key.kid)
        if loaded.algorithm not in fitting:
            return f"The private key cannot sign with that algorithm. It fits {', '.join(fitting)}."
        # A key that is public, or for another use, fails here and not in the first request.
        loaded.sign("probe", "probe")
    except Exception:  # noqa: BLE001 -- two libraries raise a dozen unrelated classes, some with the key in them
        return _UNUSABLE
    return loaded


def _import_key(material: Secret) -> Key:
    from joserfc.errors import InvalidKeyTypeError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    key_types: dict[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    text = material.reveal().strip()
    if text.startswith("{"):
        jwk = json.loads(text)
        return key_types[jwk["kty"]].import_key(jwk)
    # Variables often spell line breaks as backslash and n. PEM has no backslash (RFC 7468 §3), and may stand in quotes.
    text = text.replace("\\r", "").replace("\\n", "\n")
    for key_type in key_types.values():
        with contextlib.suppress(InvalidKeyTypeError):
            return key_type.import_key(text)
    raise InvalidKeyTypeError


@dataclass(frozen=True, repr=False)
class PrivateKeyJWT:
    """A signed assertion instead of a secret (RFC 7523 §2.2): RS, PS or ES with SHA-256 to -512, or EdDSA.

    Attributes:
        private_key, algorithm, key_id: see :func:`load_signing_key` and the settings of these names.
        audience: audience of the assertion: the server's issuer identifier. Default: the token URL.

    Raises:
        ConfigurationError: the client id is empty or contains a control character; the key cannot be read, is not private, is
            too short, or does not fit the algorithm.
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


def _as_latin1(text: str) -> str:
    """Return the text whose latin-1 bytes are the UTF-8 bytes of ``text``: Authlib encodes as latin-1."""
    return text.encode().decode("latin-1")


def _require(client_id: str, client_secret: Secret | None = None) -> None:
    """Raise ConfigurationError if either is empty or not printable (RFC 6749 appendix A.1 and A.2)."""
    if not _is_visible(client_id):
        raise ConfigurationError("The client id is empty, or contains a line break or another control character.")
    if client_secret is not None and not _is_visible(client_secret.reveal()):
        raise ConfigurationError(
            f"The secret of client id {client_id!r} is empty, or contains a line break or another control character.",
            remedy="Look for a line break at the end of the file or variable that it comes from.",
        )


def _is_visible(text: str) -> bool:
    return bool(text) and text.isprintable()


def _digest(key: bytes, *parts: str | Secret) -> str:
    clear = [part.reveal() if isinstance(part, Secret) else part for part in parts]
    return hmac.new(key, json.dumps(clear).encode(), "sha256").hexdigest()
