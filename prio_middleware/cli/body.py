"""An answer's body on standard output: as it is, or made readable."""

from __future__ import annotations

import codecs
import json
import re
import sys
from typing import Any

from rich.highlighter import JSONHighlighter
from rich.text import Text

from ..errors import PrioError
from ..refusal import BODY_LIMIT
from .terminal import messages, output, visible, waiting, write

READABLE_LIMIT = 64 * 1024 * 1024
"""Bytes of a body that are made readable at most: it has to be held as a whole."""

COLOUR_LIMIT = 1024 * 1024
"""Characters beyond which colours take longer than they are worth."""

_INDENT = "  "
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]', re.DOTALL)


def write_raw(response: Any) -> bytes:
    """Write a streamed body as it comes, byte by byte; to a terminal, without what would steer it. Returns its beginning."""
    head = b""
    on_terminal = sys.stdout.isatty()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in response.iter_bytes():
        head = (head + chunk)[:BODY_LIMIT] if len(head) < BODY_LIMIT else head
        if on_terminal:
            write(visible(decoder.decode(chunk)))
        else:
            sys.stdout.buffer.write(chunk)
    if on_terminal:
        write("\n")
    return head


def write_readable(response: Any) -> bytes:
    """Write a streamed body for people: JSON in lines and colours, other text as text. Returns its beginning.

    Raises:
        PrioError: it is too long.
    """
    with waiting("reading the answer"):
        body = _read(response)
    text = _text(body, response.encoding or "utf-8")
    if text is None:
        kind = response.headers.get("content-type", "an unnamed type")
        messages().print(visible(f"{len(body):,} bytes of {kind}. --json prints them as they are."))
    elif text:
        output().print(_shown(text))
    return body[:BODY_LIMIT]


def laid_out(document: str) -> str:
    """A JSON document in lines. Nothing else of it changes: no number is rounded, no name that is there twice is dropped."""
    parts: list[str] = []
    depth, before = 0, ""
    for token in _JSON_TOKEN.findall(document):
        depth -= token in _CLOSING
        if before == "," or (before in _OPENING) is not (token in _CLOSING):
            parts.append("\n" + _INDENT * depth)
        parts.append(": " if token == ":" else token)
        depth += token in _OPENING
        before = token
    return "".join(parts)


def _read(response: Any) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > READABLE_LIMIT:
            break
    else:
        return bytes(body)
    raise PrioError("The answer is too long to be made readable.", url=response.url, remedy="Write it to a file, with --json.")


def _text(body: bytes, charset: str) -> str | None:
    """The body as text, or None where it is none."""
    try:
        text = body.decode("utf-8-sig" if charset.lower() == "utf-8" else charset)
    except (UnicodeError, LookupError):
        return None
    return None if "\0" in text else text


def _shown(text: str) -> Text:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return Text(visible(text.removesuffix("\n")))
    document = visible(laid_out(text))
    return JSONHighlighter()(document) if len(document) <= COLOUR_LIMIT else Text(document)
