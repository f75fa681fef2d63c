"""Parser of the ``WWW-Authenticate`` header (RFC 9110 §11.6.1), with several challenges and quoted strings."""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADER_LIMIT = 8 * 1024  # Maximum characters of the header that are parsed.

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'

# One element of the list: a scheme, a parameter, or a scheme with its first parameter, up to the next comma. A scheme and a
# parameter's name look alike, but only a name is followed by "=". The pattern matches any text without backtracking, and an
# unclosed quote extends to the end: linear time for any header.
_ELEMENT = re.compile(
    rf"""
    [ \t,]*+
    (?: (?P<scheme>{_TOKEN}) (?![ \t]*+=) [ \t]*+ )?+
    (?: (?P<name>{_TOKEN}) [ \t]*+ = [ \t]*+ (?P<value>{_TOKEN}|{_QUOTED}) )?+
    (?: [^",] | {_QUOTED} )*+
    (?: , | $ | ".*+ )
    """,
    re.DOTALL | re.VERBOSE,
)


def bearer_error(header: str | None) -> str | None:
    """Return the ``error`` of the first ``Bearer`` challenge that has one (RFC 6750 §3), unquoted, or None."""
    for scheme, name, value in _parameters((header or "")[:HEADER_LIMIT]):
        if scheme == "bearer" and name == "error":
            return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value
    return None


def schemes(header: str | None) -> frozenset[str]:
    """Return the schemes in the header, in lower case. Empty if the header is longer than ``HEADER_LIMIT``."""
    text = header or ""
    named = () if len(text) > HEADER_LIMIT else _ELEMENT.finditer(text)
    return frozenset(element["scheme"].lower() for element in named if element["scheme"])


def _parameters(header: str) -> Iterator[tuple[str, str, str]]:
    """Yield each parameter with its scheme, both in lower case. Skip invalid elements."""
    scheme = ""
    for element in _ELEMENT.finditer(header):
        scheme = (element["scheme"] or scheme).lower()
        if element["name"]:
            yield scheme, element["name"].lower(), element["value"]
