"""Encryption keys and names of the tokens in a shared store."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import TYPE_CHECKING

from ..._util.secret import Secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from ..access_token import TokenOptions
    from ..token_request import TokenEndpoint

_KEY_BYTES = 32
_NAME_LENGTH = 40
_NAMES = b"prio_middleware: names of shared tokens, 1"

HOW_TO_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())" makes one; '
    "the first of several seals, all of them open."
)


class Keyring:
    """Keys for a rotation without downtime: the first one seals, all of them open.

    Names are HMACs under a subkey of a key: a reader of the store learns neither client nor scope, and cannot test a guess.

    Args:
        keys: at least one, of 32 random bytes each.
    """

    def __init__(self, keys: tuple[Secret, ...]) -> None:
        self._keys = keys
        self._fernet: MultiFernet | None = None

    @classmethod
    def read(cls, text: Secret) -> Keyring | str:
        """Return the keys in ``text``, one a line in URL-safe Base64 (Fernet's form), or the problem, without the text."""
        lines = tuple(Secret(line) for line in text.reveal().split())
        wrong = [number for number, line in enumerate(lines, 1) if _decoded(line) is None]
        if wrong:
            return f"key {wrong[0]} is not 32 bytes in URL-safe Base64"
        return cls(lines) if lines else "there is no key"

    def __len__(self) -> int:
        return len(self._keys)

    def names(self, endpoint: TokenEndpoint, options: TokenOptions) -> tuple[str, ...]:
        """Return the token's name under each key: the name to publish under first, then those of keys in rotation.

        Names differ for other credentials, another server, another trust (see :class:`TokenEndpoint`), or another request, so
        unrelated tokens never share a name.
        """
        names: list[str] = []
        for key in self._keys:
            subkey = hmac.digest(_decoded(key) or b"", _NAMES, "sha256")
            auth = endpoint.auth
            parts: list[object] = [endpoint.url, auth.method, auth.client_id, auth.digest(subkey), *options[:4]]
            if endpoint.headers:
                parts.append([(header.lower(), value.reveal()) for header, value in endpoint.headers])
            if endpoint.trust:
                parts.append({"trust": endpoint.trust})
            names.append(hmac.new(subkey, json.dumps(parts).encode(), "sha256").hexdigest()[:_NAME_LENGTH])
        return tuple(names)

    def seal(self, plain: bytes) -> bytes:
        """Encrypt and authenticate ``plain``."""
        return self._box().encrypt(plain)

    def open(self, sealed: bytes) -> bytes | None:
        """Return the plain bytes, or None if no key opens ``sealed``."""
        from cryptography.fernet import InvalidToken

        try:
            return self._box().decrypt(sealed)
        except InvalidToken:
            return None

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)} **>"

    def _box(self) -> MultiFernet:
        if self._fernet is None:
            from cryptography.fernet import Fernet, MultiFernet

            self._fernet = MultiFernet([Fernet(key.reveal()) for key in self._keys])
        return self._fernet


def _decoded(key: Secret) -> bytes | None:
    try:
        raw = base64.b64decode(key.reveal().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == _KEY_BYTES else None
