"""Encryption keys of a shared store, and the names of its tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from functools import cached_property
from typing import TYPE_CHECKING

from ..._util.secret import Secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from ..access_token import TokenOptions
    from ..token_request import TokenEndpoint

_KEY_BYTES = 32
_NAME_LENGTH = 40
_NAMES_LABEL = b"prio_middleware: names of shared tokens, 1"

HOW_TO_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())" makes one. '
    "If there are several, the first one encrypts, and each of them decrypts."
)


class Keyring:
    """Encryption keys for a rotation without downtime: the first one encrypts, and each of them decrypts.

    The names of tokens are HMACs under a subkey of an encryption key. Without that key, a reader of the store learns neither
    client nor scope from a name, and cannot check whether a guess is right.

    Args:
        encryption_keys: at least one, of 32 random bytes each, in URL-safe Base64.
    """

    def __init__(self, encryption_keys: tuple[Secret, ...]) -> None:
        self._encryption_keys = encryption_keys

    @classmethod
    def read(cls, text: Secret) -> Keyring | str:
        """Return the encryption keys in ``text``, one a line in URL-safe Base64 (Fernet's form).

        If there is none, or one is malformed, return the problem. It repeats no part of ``text``.
        """
        lines = tuple(Secret(line) for line in text.reveal().split())
        wrong = [number for number, line in enumerate(lines, 1) if _decoded(line) is None]
        if wrong:
            return f"key {wrong[0]} is not 32 bytes in URL-safe Base64"
        return cls(lines) if lines else "there is no key"

    def names(self, endpoint: TokenEndpoint, options: TokenOptions) -> tuple[str, ...]:
        """Return the token's name under each encryption key. It is published under the first.

        Names differ for other credentials, another server, another trust (see :class:`TokenEndpoint`), or another request, so
        unrelated tokens never share a name.
        """
        names: list[str] = []
        for encryption_key in self._encryption_keys:
            subkey = hmac.digest(_decoded(encryption_key) or b"", _NAMES_LABEL, "sha256")
            auth = endpoint.auth
            parts: list[object] = [endpoint.url, auth.method, auth.client_id, auth.digest(subkey), *options[:4]]
            if endpoint.headers:
                parts.append([(header.lower(), value.reveal()) for header, value in endpoint.headers])
            if endpoint.trust:
                parts.append({"trust": endpoint.trust})
            names.append(hmac.new(subkey, json.dumps(parts).encode(), "sha256").hexdigest()[:_NAME_LENGTH])
        return tuple(names)

    def encrypt(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the plain bytes, or None if no encryption key decrypts ``sealed``."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._encryption_keys)} **>"

    @cached_property
    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(encryption_key.reveal()) for encryption_key in self._encryption_keys])


def _decoded(encryption_key: Secret) -> bytes | None:
    try:
        raw = base64.b64decode(encryption_key.reveal().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == _KEY_BYTES else None
