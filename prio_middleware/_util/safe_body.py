"""Safe decoding of hostile bodies: a few bytes that decompress to gigabytes, or JSON a million levels deep."""

from __future__ import annotations

import enum
import json
import zlib
from collections.abc import Callable

CHAIN_LIMIT = 3  # Maximum content encodings of one body.
MEMBER_LIMIT = 64  # Maximum members of a gzip body (RFC 1952 §2.2): even an empty one costs time.
VALUE_LIMIT = 16 * 1024  # Maximum commas in a JSON document, and so about its values: each costs more time than its bytes.
WINDOW_LIMIT = 8 * 1024 * 1024  # Maximum window of a Zstandard frame in bytes (RFC 9659 §3): the decoder allocates it.
DIGIT_LIMIT = 400  # Maximum digits of an integer in JSON: twice as many take four times as long. The largest float has 309.


class Undecodable(enum.Enum):
    """Reason why a body cannot be decoded."""

    TOO_LONG = "too long once it is decoded"
    UNSUPPORTED = "in a content encoding other than gzip and deflate, or br and zstd with their packages"
    CORRUPT = "not in the content encoding it names"


def decode(raw: bytes, content_encoding: str | None, limit: int) -> bytes | Undecodable:
    """Decode the content encodings of a body (RFC 9110 §8.4), to at most ``limit`` bytes."""
    names = [part.strip().lower() for part in (content_encoding or "").split(",")]
    codings = [name for name in names if name not in {"", "identity"}]
    if len(codings) > CHAIN_LIMIT or not _DECODERS.keys() >= set(codings):
        return Undecodable.UNSUPPORTED
    body = raw
    for coding in reversed(codings if raw else ()):
        decoded = _DECODERS[coding](body, limit)
        if isinstance(decoded, Undecodable):
            return decoded
        body = decoded
    return body if len(body) <= limit else Undecodable.TOO_LONG


def json_object(body: bytes) -> dict[str, object] | None:
    """Return the members of a JSON object in UTF-8, or None for any other body, and for one with too many values.

    Strict where parsers differ: no duplicate name, no ``NaN`` or ``Infinity``, no integer of more than ``DIGIT_LIMIT`` digits.
    Other bodies than UTF-8 are decoded as latin-1, because older servers send errors so, and their codes are ASCII in both.
    """
    if body.count(b",") > VALUE_LIMIT:
        return None

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise ValueError
        return members

    def reject(constant: str) -> object:
        raise ValueError(constant)

    try:
        value = json.loads(_text(body), object_pairs_hook=unique, parse_constant=reject, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _integer(digits: str) -> int:
    if len(digits) > DIGIT_LIMIT:
        raise ValueError
    return int(digits)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


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
        # Some servers omit the zlib wrapper (RFC 9110 §8.4.1.2).
        body = _inflate(raw, -zlib.MAX_WBITS, limit)
    return body if isinstance(body, Undecodable) else body[0]


def _inflate(raw: bytes, window_bits: int, limit: int) -> tuple[bytes, bytes] | Undecodable:
    """Decompress one stream. Return its content and the bytes after it."""
    inflater = zlib.decompressobj(window_bits)
    try:
        body = inflater.decompress(raw, limit + 1)
    except zlib.error:
        return Undecodable.CORRUPT
    if len(body) > limit:
        return Undecodable.TOO_LONG
    return (body, inflater.unused_data) if inflater.eof else Undecodable.CORRUPT


def _unbrotli(raw: bytes, limit: int) -> bytes | Undecodable:
    try:
        import brotli
    except ImportError:
        return Undecodable.UNSUPPORTED
    decompressor, body, data = brotli.Decompressor(), b"", raw
    try:
        while not decompressor.is_finished():
            piece = decompressor.process(data, output_buffer_limit=limit + 1 - len(body))
            if not piece and not data:
                return Undecodable.CORRUPT  # It ends early.
            body, data = body + piece, b""
            if len(body) > limit:
                return Undecodable.TOO_LONG
    except TypeError:  # Before brotli 1.2, output has no limit.
        return Undecodable.UNSUPPORTED
    except brotli.error:
        return Undecodable.CORRUPT
    return body


def _unzstd(raw: bytes, limit: int) -> bytes | Undecodable:
    try:
        import zstandard
    except ImportError:
        return Undecodable.UNSUPPORTED
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT)
    try:
        body: bytes = decompressor.stream_reader(raw, read_across_frames=True).read(limit + 1)
    except zstandard.ZstdError:
        return Undecodable.CORRUPT
    return Undecodable.TOO_LONG if len(body) > limit else body


_DECODERS: dict[str, Callable[[bytes, int], bytes | Undecodable]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
