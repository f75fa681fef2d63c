"""The ``WWW-Authenticate`` header (RFC 9110 §11.6.1): several challenges in one value, quoted strings and all."""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADER_LIMIT = 8 * 1024
"""Characters of the header that are looked at."""

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'

# One element of the list: a scheme, or a parameter, or a scheme with its first parameter, and whatever else there is up to the
# next comma. A scheme and a parameter's name look the same, but only a name is followed by "=".
# It matches anything, gives nothing back, and a quotation without an end takes the rest: linear for whatever a server sends.
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
    """The ``error`` of the first ``Bearer`` challenge that has one (RFC 6750 §3), unquoted; None where there is none."""
    for scheme, name, value in _parameters((header or "")[:HEADER_LIMIT]):
        if scheme == "bearer" and name == "error":
            return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value
    return None


def _parameters(header: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter with its scheme, both in lower case. What cannot be read is left out."""
    scheme = ""
    for element in _ELEMENT.finditer(header):
        scheme = (element["scheme"] or scheme).lower()
        if element["name"]:
            yield scheme, element["name"].lower(), element["value"]
