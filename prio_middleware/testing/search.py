"""Whether a text repeats a secret: as it is, encoded, or in part. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Characters of a secret that is looked for. Shorter ones are found everywhere."""

PART = 16
"""Characters of a secret in a row that count as a leak, also where the rest is cut off."""


class Searched:
    """A text to look for secrets in, as often as there are secrets."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self._parts = {self._text[at : at + PART] for at in range(len(text) - PART + 1)}

    def repeats(self, secret: str) -> bool:
        """Whether the secret, or a part of it, is in the text."""
        return len(secret) >= SHORTEST and any(self._has(form.lower()) for form in forms(secret))

    def _has(self, form: str) -> bool:
        if len(form) < PART:
            return form in self._text
        return any(form[at : at + PART] in self._parts for at in range(len(form) - PART + 1))


def forms(secret: str) -> Iterator[str]:
    """The secret as it is, percent-encoded, JSON-escaped, and in base64 (RFC 4648 §4, §5) at any alignment."""
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield json.dumps(secret)[1:-1]
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()[before + bool(before) :].rstrip("=")
        # The last character depends on what follows.
        yield encoded[:-1]
        yield encoded[:-1].translate({ord("+"): "-", ord("/"): "_"})
