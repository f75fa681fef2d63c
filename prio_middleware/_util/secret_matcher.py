"""Search for secrets in texts: plain, encoded, hashed, or in part. Errors and tests use the same table of forms."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b")


class SecretMatcher:
    """Matcher for any number of texts. Its repr shows no secret. Empty secrets never match.

    A match is ``run`` consecutive characters of a secret, or of a form of it. A shorter form must match as a whole.
    """

    __slots__ = ("_parts", "_run", "_whole")

    def __init__(self, secrets: Iterable[str], run: int) -> None:
        self._run = run
        self._whole: dict[str, str] = {}
        self._parts: dict[str, str] = {}
        for secret in secrets:
            for written, how in forms(secret):
                form = written.lower()
                if len(form) < run:
                    self._whole.setdefault(form, how)
                for part in _runs(form, run):
                    self._parts.setdefault(part, how)

    def find(self, text: str) -> str | None:
        """Return the form of the first match in ``text``, such as ``in base64``. None without a match. Ignores case."""
        text = text.lower()
        whole = next((how for form, how in self._whole.items() if form in text), None)
        if whole or not self._parts:
            return whole
        return next((self._parts[part] for part in _runs(text, self._run) if part in self._parts), None)


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """Yield the forms in which a server, a log or a page may repeat a secret, each with its name."""
    raw = secret.encode("utf-8", "surrogatepass")
    for how, write in _FORMS.items():
        yield from ((form, how) for form in write(secret, raw) if form)


def _in_base64(_: str, raw: bytes) -> Iterator[str]:
    """Yield base64 (RFC 4648 §4 and §5) at any alignment, of the secret and of its form in Basic credentials."""
    # Tokens are not sent in Basic credentials, and client secrets are not that long.
    for written in {raw, quote(raw, safe="").encode()} if len(raw) <= _LONGEST_IN_BASIC else (raw,):
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + written).decode().rstrip("=")
            # The first and last characters share bits with the neighbouring text.
            encoded = encoded[before + bool(before) : len(encoded) - bool((before + len(written)) % 3)]
            yield encoded
            yield encoded.translate(_URLSAFE)


def _hashed(_: str, raw: bytes) -> Iterator[str]:
    if raw:
        for name in HASHES:
            digest = hashlib.new(name, raw, usedforsecurity=False).digest()
            yield digest.hex()
            yield base64.b64encode(digest).decode().rstrip("=")
            yield base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _runs(text: str, length: int) -> Iterator[str]:
    return (text[start : start + length] for start in range(len(text) - length + 1))


_LONGEST_IN_BASIC = 4096
_URLSAFE = {ord("+"): "-", ord("/"): "_"}

_FORMS: Mapping[str, Callable[[str, bytes], Iterable[str]]] = {
    "as it is": lambda secret, _: [secret],
    "percent-encoded": lambda _, raw: [quote(raw, safe=""), quote_plus(raw)],
    "in JSON": lambda secret, _: [*_in_json(secret), *(form.replace("/", r"\/") for form in _in_json(secret))],
    "in HTML": lambda secret, _: [html.escape(secret)],
    "in Python": lambda secret, raw: [repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]],
    "in latin-1": lambda _, raw: [raw.decode("latin-1")],
    "in base64": _in_base64,
    "in hexadecimal": lambda _, raw: [raw.hex()],
    "as a hash": _hashed,
}


def _in_json(secret: str) -> list[str]:
    return [json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)]
