"""The private key of ``private_key_jwt``: read from PEM or JWK, matched with its algorithm, and used to sign."""

from __future__ import annotations

import contextlib
import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._util.secret import Secret

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
    # Variables often spell line breaks as backslash and n, and keep their quotes. PEM has neither (RFC 7468 §3).
    text = text.strip("\"'").replace("\\r", "").replace("\\n", "\n")
    for key_type in key_types.values():
        with contextlib.suppress(InvalidKeyTypeError):
            return key_type.import_key(text)
    raise InvalidKeyTypeError
