"""What may be repeated of a text that somebody else wrote: a URL, a server's error message."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .secret import Secret

# RFC 6749 §5.2: error and error_description are %x20-21 / %x23-5B / %x5D-7E.
_FOREIGN = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]+")

DESCRIPTION_LIMIT = 200
"""Characters of a server's description that an error repeats at most."""

CODE_LIMIT = 64
"""Characters of a server's error code or reference that an error repeats at most."""

URL_LIMIT = 300
"""Characters of a URL that an error repeats at most."""

# A run of a secret this long, found in a server's text, withholds the whole text. Shorter ones are words: "secret", "client".
_RUN = 8

# Characters of a secret that are looked for: tokens can be long, and looking must not take long.
_SECRET_HEAD = 4096

WITHHELD = "(withheld: it repeats a credential)"


def printable(text: str, limit: int = DESCRIPTION_LIMIT) -> str:
    """``text`` with only the characters that RFC 6749 §5.2 allows, and at most ``limit`` of them."""
    cut = _FOREIGN.sub(" ", _head(text, limit)).strip()
    return cut if len(cut) <= limit else cut[: limit - 1] + "~"


def server_text(text: object, secrets: Iterable[Secret], limit: int = DESCRIPTION_LIMIT) -> str | None:
    """What may be repeated of a server's own words, or None where it sent none.

    A server may echo what it was sent: where a part of one of ``secrets`` is in the text, as it is, encoded or hashed, the
    whole text is withheld.
    """
    if not isinstance(text, str):
        return None
    if _echoes(_head(text, limit), secrets):
        return WITHHELD
    return printable(text, limit) or None


def server_code(code: object, secrets: Iterable[Secret] = ()) -> str | None:
    """A server's error code or reference, or None where it sent none, or one that repeats a secret."""
    text = server_text(code, secrets, CODE_LIMIT)
    return None if text == WITHHELD else text


def safe_url(url: object) -> str:
    """``url`` without user info, query and fragment: those may hold secrets."""
    try:
        parts = urlsplit(str(url))
        host, _ = parts.hostname, parts.port  # A port is not looked at before it is asked for.
    except ValueError:
        return "(a URL that cannot be read)"
    if not parts.netloc:
        shown = parts.path.rpartition("@")[2]
    elif ":" in parts.netloc and "@" in parts.path + parts.query + parts.fragment:
        # No port, but the start of a password with "/", "?" or "#" in it.
        shown = f"//{host}"
    else:
        shown = f"//{parts.netloc.rpartition('@')[2]}{parts.path}"
    return printable(f"{parts.scheme}:{shown}" if parts.scheme else shown, URL_LIMIT)


def _head(text: str, limit: int) -> str:
    """As much of ``text`` as is looked at: characters that are not repeated may stand between those that are."""
    return text[: limit * 4]


def _echoes(text: str, secrets: Iterable[Secret]) -> bool:
    text = text.lower()
    parts = {text[start : start + _RUN] for start in range(len(text) - _RUN + 1)}
    return any(_repeats(text, parts, *_forms(secret)) for secret in secrets)


def _repeats(text: str, parts: set[str], short: tuple[str, ...], long: str) -> bool:
    return any(form in text for form in short) or any(part in long for part in parts)


@functools.lru_cache(maxsize=8)
def _forms(secret: Secret) -> tuple[tuple[str, ...], str]:
    """The forms that are looked for as a whole, and those that are looked for in parts, as one text.

    They are kept: when a token is revoked, each of the calls that it was sent with looks for it.
    """
    from .traces import forms  # What it needs takes longer to load than this module, and is needed when something fails.

    found = dict.fromkeys(form.lower() for form, _ in forms(secret.reveal()[:_SECRET_HEAD]))  # Many are alike.
    return tuple(form for form in found if len(form) < _RUN), "\n".join(form for form in found if len(form) >= _RUN)
