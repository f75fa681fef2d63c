"""Redaction of URLs and of texts from servers, for errors and logs."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from .secret import Secret, Unpicklable

# RFC 6749 §5.2: error and error_description are %x20-21 / %x23-5B / %x5D-7E.
_NOT_PRINTED = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]+")

DESCRIPTION_LIMIT = 200  # Maximum characters of a server's description in an error.
CODE_LIMIT = 64  # Maximum characters of a server's error code or reference in an error.
URL_LIMIT = 300  # Maximum characters of a URL in an error.

SHORTEST_SEARCHED = 4
"""Characters of the shortest secret, or form of one, that is searched for inside a text. Most words contain a shorter one."""

# A value in a text: in quotation marks, or after "=".
_VALUE = re.compile(r"""(?<=(["'`]))(?P<quoted>[^"'`]+)(?=\1)|(?<==)(?P<assigned>[^=&;,\s"'`]+)""")

# Consecutive characters of a secret that withhold a server's text. Shorter runs may be words: "secret", "client".
_RUN = 8

# The index holds a gram at every fourth place of a secret. Every run of eight characters contains one of them as a whole.
_STRIDE = 4
_GRAM = _RUN - _STRIDE + 1

# Runs of one text that are compared because they contain a gram of an index. A text with more of them is withheld.
_COMPARED_LIMIT = 32

SEARCHED_LIMIT = 36 * 1024
"""Maximum characters of all secrets that a text is searched for. If there are more, every text is withheld."""

WITHHELD = "(withheld: it repeats a credential)"


def printable(text: str, limit: int = DESCRIPTION_LIMIT) -> str:
    """Return at most ``limit`` characters of ``text``, without those that RFC 6749 §5.2 forbids."""
    cut = _NOT_PRINTED.sub(" ", _head(text, limit)).strip()
    return cut if len(cut) <= limit else cut[: limit - 1] + "~"


def server_text(text: object, secrets: Iterable[Secret], limit: int = DESCRIPTION_LIMIT) -> str | None:
    """Return the printable part of a server's text, or None if it is not a string or empty.

    A server may echo its request: if the text contains a part of one of ``secrets``, plain, encoded or hashed, return
    ``WITHHELD``. A form of fewer than ``SHORTEST_SEARCHED`` characters counts only if it is the whole text, or a value in it
    (``'a'``, ``secret=a``). Return ``WITHHELD`` too if the search would take too long: there are too many characters of
    secrets, or of the text that resemble them.
    """
    if not isinstance(text, str):
        return None
    if _echoes(_head(text, limit), secrets):
        return WITHHELD
    return printable(text, limit) or None


def server_code(code: object, secrets: Iterable[Secret] = ()) -> str | None:
    """Return a server's error code or reference. None if there is none, or it repeats a secret."""
    text = server_text(code, secrets, CODE_LIMIT)
    return None if text == WITHHELD else text


def safe_url(url: object) -> str:
    """Return ``url`` without user info, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(str(url))
        host, _ = parts.hostname, parts.port  # Reading the port checks it.
    except ValueError:
        return "(a URL that cannot be parsed)"
    if not parts.netloc:
        shown = parts.path.rpartition("@")[2]
    elif ":" in parts.netloc and "@" in parts.path + parts.query + parts.fragment:
        # Not a port, but the start of a password with "/", "?" or "#" in it.
        shown = f"//{host}"
    else:
        shown = f"//{parts.netloc.rpartition('@')[2]}{parts.path}"
    return printable(f"{parts.scheme}:{shown}" if parts.scheme else shown, URL_LIMIT)


def _head(text: str, limit: int) -> str:
    """Return the start of ``text`` that is read: more than the limit, because characters are removed."""
    return text[: limit * 4]


def _echoes(text: str, secrets: Iterable[Secret]) -> bool:
    """Return True if ``text`` repeats a secret. The steps grow with the length of text and secrets, not with their product."""
    secrets = tuple(secrets)
    if sum(len(secret.reveal()) for secret in secrets) > SEARCHED_LIMIT:
        return True
    text = _folded(text)
    unescaped = text.replace("\\", "")  # A value may be in JSON inside a JSON string.
    found = [match for version in (text, unescaped) for match in _VALUE.finditer(version)]
    values = {text.strip(), *(match["quoted"] or match["assigned"] for match in found)}
    grams = [text[start : start + _GRAM] for start in range(len(text) - _GRAM + 1)]
    compared = 0
    for secret in secrets:
        index = _index(secret)
        if any(form in text for form in index.short) or not values.isdisjoint(index.values):
            return True
        if index.grams.isdisjoint(grams):
            continue
        for run in _runs_around(text, [start for start, gram in enumerate(grams) if gram in index.grams]):
            compared += 1
            if compared > _COMPARED_LIMIT or index.long.find(run) >= 0:
                return True
    return False


def _runs_around(text: str, starts: Iterable[int]) -> Iterator[str]:
    """Yield the runs of ``text`` that contain a gram that begins at one of ``starts``."""
    last = len(text) - _RUN
    for start in starts:
        for first in range(max(start - _STRIDE + 1, 0), min(start, last) + 1):
            yield text[first : first + _RUN]


class _Index(Unpicklable):
    """Index of the forms of a secret. Its ``repr`` shows none.

    Attributes:
        values: the shortest forms, which are compared with whole values.
        short: forms that are found as a whole, anywhere in a text.
        long: the other ones, as one text.
        grams: parts of ``long``, one at every ``_STRIDE`` places.
    """

    __slots__ = ("grams", "long", "short", "values")

    def __init__(self, forms: Iterable[str]) -> None:
        found = tuple(dict.fromkeys(map(_folded, forms)))  # Many are equal.
        self.values = frozenset(form for form in found if len(form) < SHORTEST_SEARCHED)
        self.short = tuple(form for form in found if SHORTEST_SEARCHED <= len(form) < _RUN)
        self.long = "\n".join(form for form in found if len(form) >= _RUN)
        self.grams = {self.long[start : start + _GRAM] for start in range(0, len(self.long) - _GRAM + 1, _STRIDE)}


@functools.lru_cache(maxsize=32)
def _index(secret: Secret) -> _Index:
    """Return the index of a secret. Cached, because each call that sent a revoked token searches for the same ones."""
    from .secret_matcher import forms

    return _Index(form for form, _ in forms(secret.reveal()))


def _folded(text: str) -> str:
    """Return ``text`` without differences of case, nor of the two alphabets of base64 (RFC 4648 §4 and §5)."""
    return text.lower().translate(_URLSAFE)


_URLSAFE = str.maketrans("-_", "+/")
