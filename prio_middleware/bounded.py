"""Reading a body that may be built to hurt: a few bytes that unfold to gigabytes, JSON a million levels deep."""

from __future__ import annotations

import enum
import json
import zlib
from collections.abc import Callable

CHAIN_LIMIT = 3
"""Content encodings that may be applied one after another."""

MEMBER_LIMIT = 64
"""Members that a gzip body may have (RFC 1952 §2.2): each costs time, even an empty one."""


class Undecodable(enum.Enum):
    """Why a body could not be decoded."""

    TOO_LONG = "too long once it is decoded"
    UNSUPPORTED = "in a content encoding other than gzip and deflate"
    CORRUPT = "not in the content encoding it names"


def decode(raw: bytes, content_encoding: str | None, limit: int) -> bytes | Undecodable:
    """Undo the content encodings of a body (RFC 9110 §8.4), never holding more than ``limit`` bytes of what it unfolds to."""
    names = [part.strip().lower() for part in (content_encoding or "").split(",")]
    codings = [name for name in names if name not in {"", "identity"}]
    if len(codings) > CHAIN_LIMIT or not _UNFOLD.keys() >= set(codings):
        return Undecodable.UNSUPPORTED
    body = raw
    for coding in reversed(codings if raw else ()):
        unfolded = _UNFOLD[coding](body, limit)
        if isinstance(unfolded, Undecodable):
            return unfolded
        body = unfolded
    return body if len(body) <= limit else Undecodable.TOO_LONG


def json_object(body: bytes) -> dict[str, object] | None:
    """The members of a JSON object in UTF-8, or None for anything else.

    Strict where readers differ: no name twice, no ``NaN`` or ``Infinity``, no number of thousands of digits.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _refuse(_constant: str) -> object:
    raise ValueError


def _gunzip(raw: bytes, limit: int) -> bytes | Undecodable:
    body = b""
    for _ in range(MEMBER_LIMIT):
        member = _inflate(raw, 16 + zlib.MAX_WBITS, limit - len(body))
        if isinstance(member, Undecodable):
            return member
        body += member[0]
        raw = member[1]
        if not raw:
            return body
    return Undecodable.CORRUPT


def _undeflate(raw: bytes, limit: int) -> bytes | Undecodable:
    body = _inflate(raw, zlib.MAX_WBITS, limit)
    if body is Undecodable.CORRUPT:
        # Some servers leave out the zlib wrapper (RFC 9110 §8.4.1.2).
        body = _inflate(raw, -zlib.MAX_WBITS, limit)
    return body if isinstance(body, Undecodable) else body[0]


def _inflate(raw: bytes, window_bits: int, limit: int) -> tuple[bytes, bytes] | Undecodable:
    """One compressed stream, and what follows it."""
    inflater = zlib.decompressobj(window_bits)
    try:
        body = inflater.decompress(raw, limit + 1)
    except zlib.error:
        return Undecodable.CORRUPT
    if len(body) > limit:
        return Undecodable.TOO_LONG
    return (body, inflater.unused_data) if inflater.eof else Undecodable.CORRUPT


_UNFOLD: dict[str, Callable[[bytes, int], bytes | Undecodable]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
}
