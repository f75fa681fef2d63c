from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.bounded import CHAIN_LIMIT, MEMBER_LIMIT, Undecodable, decode, json_object

TEXT = b'{"error": "invalid_client"}' * 3
LIMIT = 1024


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def gzipped(data: bytes) -> bytes:
    """The same at any time: it becomes the name of a test, and each of pytest's workers has to find the same ones."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (TEXT, None),
        (TEXT, ""),
        (TEXT, "identity"),
        (TEXT, " Identity , ,"),
        (gzipped(TEXT), "gzip"),
        (gzipped(TEXT), " GZIP "),
        (gzipped(TEXT), "x-gzip"),
        (gzipped(TEXT[:20]) + gzipped(b"") + gzipped(TEXT[20:]), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
        (gzipped(zlib.compress(TEXT)), "deflate, gzip"),
        (gzipped(gzipped(zlib.compress(TEXT))), "deflate, gzip, identity, x-gzip"),
    ],
)
def test_what_was_encoded_is_decoded(raw: bytes, encoding: str | None) -> None:
    assert decode(raw, encoding, LIMIT) == TEXT


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "gzip, gzip"])
def test_an_absent_body_needs_no_decoding(encoding: str | None) -> None:
    assert decode(b"", encoding, LIMIT) == b""


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (bytes(LIMIT + 1), None),
        (gzipped(bytes(LIMIT + 1)), "gzip"),
        (zlib.compress(bytes(LIMIT + 1)), "deflate"),
        (raw_deflate(bytes(LIMIT + 1)), "deflate"),
        (gzipped(bytes(LIMIT // 2)) + gzipped(bytes(LIMIT // 2 + 1)), "gzip"),
        (gzipped(bytes(10_000_000)), "gzip"),
        (gzipped(gzipped(bytes(10_000_000))), "gzip, gzip"),
    ],
)
def test_what_unfolds_beyond_the_limit_is_too_long(raw: bytes, encoding: str | None) -> None:
    assert decode(raw, encoding, LIMIT) is Undecodable.TOO_LONG


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "gzip, br", "br, gzip", "gzip;q=1", "g zip", ", ".join(["gzip"] * (CHAIN_LIMIT + 1))]
)
def test_other_encodings_and_long_chains_are_not_supported(encoding: str) -> None:
    assert decode(gzipped(TEXT), encoding, LIMIT) is Undecodable.UNSUPPORTED


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (TEXT, "gzip"),
        (TEXT, "deflate"),
        (gzipped(TEXT)[:-1], "gzip"),
        (gzipped(TEXT)[:15], "gzip"),
        (gzipped(TEXT)[:-8] + bytes(8), "gzip"),
        (gzipped(TEXT) + b"trailing", "gzip"),
        (zlib.compress(TEXT)[:-1], "deflate"),
        (zlib.compress(TEXT), "deflate, gzip"),
        (gzipped(b"") * (MEMBER_LIMIT + 1), "gzip"),
    ],
)
def test_what_is_not_what_it_says_is_corrupt(raw: bytes, encoding: str) -> None:
    assert decode(raw, encoding, LIMIT) is Undecodable.CORRUPT


@pytest.mark.pitfall(id="unfolding-answer")
def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = gzipped(gzipped(bytes(100_000_000)))
    tracemalloc.start()
    try:
        assert decode(bomb, "gzip, gzip", 1024 * 1024) is Undecodable.TOO_LONG
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300), st.sampled_from([None, "gzip", "deflate", "gzip, deflate", "deflate, gzip", "br"]))
def test_any_bytes_are_decoded_or_named(raw: bytes, encoding: str | None) -> None:
    decoded = decode(raw, encoding, 64)
    assert isinstance(decoded, Undecodable) or len(decoded) <= 64


@given(st.binary(max_size=200), st.integers(0, 250))
def test_the_limit_holds_to_the_byte(data: bytes, limit: int) -> None:
    expected = data if len(data) <= limit else Undecodable.TOO_LONG
    assert decode(gzipped(data), "gzip", limit) == expected
    assert decode(data, None, limit) == expected


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (b"{}", {}),
        (b'{"a": [1, 2.5, null, true, {"b": "c"}]}', {"a": [1, 2.5, None, True, {"b": "c"}]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"ä": "ö"}'.encode(), {"ä": "ö"}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
    ],
)
def test_a_json_object_gives_its_members(body: bytes, members: dict[str, Any]) -> None:
    assert json_object(body) == members


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b'"text"',
        b"12",
        b"null",
        b"<html></html>",
        b"access_token=abc&token_type=bearer",
        b'{"a": 1',
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32-le"),
        b'{"a": "line\nbreak"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_anything_else_has_none(body: bytes) -> None:
    assert json_object(body) is None


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_any_body_can_be_looked_into(body: bytes) -> None:
    assert json_object(body) is None or isinstance(json_object(body), dict)
