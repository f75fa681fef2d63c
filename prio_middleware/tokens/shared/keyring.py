"""The keys that tokens are sealed with in a shared store, and the names they are kept under."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import TYPE_CHECKING

from ...secret import Secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from ..endpoint import TokenEndpoint
    from ..token import TokenOptions

_KEY_BYTES = 32
_NAME_LENGTH = 40
_NAMES = b"prio_middleware: names of shared tokens, 1"

HOW_TO_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())" makes one; '
    "the first of several seals, all of them open."
)


class Keyring:
    """Keys of which the first seals, and all open: so one can replace another without a moment in which some cannot read.

    Names are HMACs under a subkey of a key: who reads the store learns neither client nor scope, and cannot guess either.

    Args:
        keys: 32 random bytes each; at least one.
    """

    def __init__(self, keys: tuple[Secret, ...]) -> None:
        self._keys = keys
        self._fernet: MultiFernet | None = None

    @classmethod
    def read(cls, text: Secret) -> Keyring | str:
        """The keys in ``text``, one a line in URL-safe Base64 (the form of Fernet), or what is wrong, without any of it."""
        lines = tuple(Secret(line) for line in text.reveal().split())
        wrong = [number for number, line in enumerate(lines, 1) if _decoded(line) is None]
        if wrong:
            return f"key {wrong[0]} is not 32 bytes in URL-safe Base64"
        return cls(lines) if lines else "there is no key"

    def __len__(self) -> int:
        return len(self._keys)

    def names(self, endpoint: TokenEndpoint, options: TokenOptions) -> tuple[str, ...]:
        """What the token is called, under each key: its own name first, then those that it may still be found under.

        It is another one for other credentials, another server, or another request: tokens never meet that should not.
        """
        return tuple(_name(key, endpoint, options) for key in self._keys)

    def seal(self, plain: bytes) -> bytes:
        """Encrypt and authenticate."""
        return self._box().encrypt(plain)

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed, with any of the keys; None where it was not."""
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


def _name(key: Secret, endpoint: TokenEndpoint, options: TokenOptions) -> str:
    subkey = hmac.digest(_decoded(key) or b"", _NAMES, "sha256")
    parts = [endpoint.url, endpoint.auth.method, endpoint.auth.client_id, endpoint.auth.digest(subkey), *options]
    return hmac.new(subkey, json.dumps(parts).encode(), "sha256").hexdigest()[:_NAME_LENGTH]


def _decoded(key: Secret) -> bytes | None:
    try:
        raw = base64.b64decode(key.reveal().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == _KEY_BYTES else None
