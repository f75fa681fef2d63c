from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware._util.safe_body import (
    CHAIN_LIMIT,
    DIGIT_LIMIT,
    MEMBER_LIMIT,
    VALUE_LIMIT,
    Undecodable,
    decode,
    json_object,
)

TEXT = b'{"error": "invalid_client"}' * 3
LIMIT = 1024


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def gzipped(data: bytes) -> bytes:
    """Deterministic, because it becomes the name of a test in each of pytest's workers."""
    return gzip.compress(data, mtime=0)


def brotlied(data: bytes) -> bytes:
    compressed: bytes = brotli.compress(data, quality=1)  # The default takes a tenth of a second for each.
    return compressed


ENCODED: list[tuple[bytes, str | None]] = [
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
    (brotlied(TEXT), "br"),
    (zstandard.compress(TEXT), "zstd"),
    (zstandard.compress(TEXT[:20]) + zstandard.compress(TEXT[20:]), "zstd"),
    (gzipped(brotlied(zstandard.compress(TEXT))), "zstd, br, gzip"),
    (gzipped(zlib.compress(TEXT)), "deflate, gzip"),
    (gzipped(gzipped(zlib.compress(TEXT))), "deflate, gzip, identity, x-gzip"),
]


def test_what_was_encoded_is_decoded(subtests: pytest.Subtests) -> None:
    for raw, encoding in ENCODED:
        with subtests.test(f"{encoding!r}, {len(raw)} bytes"):
            assert decode(raw, encoding, LIMIT) == TEXT


def test_an_absent_body_needs_no_decoding(subtests: pytest.Subtests) -> None:
    for encoding in [None, "gzip", "deflate", "gzip, gzip"]:
        with subtests.test(f"{encoding!r}"):
            assert decode(b"", encoding, LIMIT) == b""


TOO_LONG: list[tuple[bytes, str | None]] = [
    (bytes(LIMIT + 1), None),
    (gzipped(bytes(LIMIT + 1)), "gzip"),
    (zlib.compress(bytes(LIMIT + 1)), "deflate"),
    (raw_deflate(bytes(LIMIT + 1)), "deflate"),
    (gzipped(bytes(LIMIT // 2)) + gzipped(bytes(LIMIT // 2 + 1)), "gzip"),
    (gzipped(bytes(10_000_000)), "gzip"),
    (gzipped(gzipped(bytes(10_000_000))), "gzip, gzip"),
    (brotlied(bytes(LIMIT + 1)), "br"),
    (brotlied(bytes(10_000_000)), "br"),
    (zstandard.compress(bytes(LIMIT + 1)), "zstd"),
    (zstandard.compress(bytes(10_000_000)), "zstd"),
    (zstandard.compress(bytes(LIMIT)) + zstandard.compress(b"x"), "zstd"),
]


def test_what_unfolds_beyond_the_limit_is_too_long(subtests: pytest.Subtests) -> None:
    for raw, encoding in TOO_LONG:
        with subtests.test(f"{encoding!r}, {len(raw)} bytes"):
            assert decode(raw, encoding, LIMIT) is Undecodable.TOO_LONG


def test_other_encodings_and_long_chains_are_not_supported(subtests: pytest.Subtests) -> None:
    for encoding in [
        "compress",
        "gzip, compress",
        "compress, gzip",
        "gzip;q=1",
        "g zip",
        ", ".join(["gzip"] * (CHAIN_LIMIT + 1)),
    ]:
        with subtests.test(f"{encoding}"):
            assert decode(gzipped(TEXT), encoding, LIMIT) is Undecodable.UNSUPPORTED


CORRUPT: list[tuple[bytes, str]] = [
    (TEXT, "gzip"),
    (TEXT, "deflate"),
    (gzipped(TEXT)[:-1], "gzip"),
    (gzipped(TEXT)[:15], "gzip"),
    (gzipped(TEXT)[:-8] + bytes(8), "gzip"),
    (gzipped(TEXT) + b"trailing", "gzip"),
    (zlib.compress(TEXT)[:-1], "deflate"),
    (zlib.compress(TEXT), "deflate, gzip"),
    (gzipped(b"") * (MEMBER_LIMIT + 1), "gzip"),
    (TEXT, "br"),
    (brotlied(TEXT)[:-1], "br"),
    (TEXT, "zstd"),
    (
        zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27)).compress(bytes(2**27)),
        "zstd",
    ),
]


def test_what_is_not_what_it_says_is_corrupt(subtests: pytest.Subtests) -> None:
    for raw, encoding in CORRUPT:
        with subtests.test(f"{encoding}, {len(raw)} bytes"):
            assert decode(raw, encoding, LIMIT) is Undecodable.CORRUPT


@pytest.mark.pitfall(id="unfolding-answer")
def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    zeros = bytes(8_000_000)
    bombs = {"gzip, gzip": gzipped(gzipped(zeros)), "br": brotlied(zeros), "zstd": zstandard.compress(zeros)}
    for encoding, bomb in bombs.items():
        tracemalloc.start()
        try:
            assert decode(bomb, encoding, 1024 * 1024) is Undecodable.TOO_LONG
            assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("encoding", "module"), [("br", "brotli"), ("zstd", "zstandard")])
def test_without_its_decoder_an_encoding_is_not_supported(encoding: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    assert decode(b"any", encoding, LIMIT) is Undecodable.UNSUPPORTED


def test_a_brotli_decoder_without_a_limit_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unbounded:
        def is_finished(self) -> bool:
            return False

        def process(self, data: bytes) -> bytes:
            return data

    monkeypatch.setitem(sys.modules, "brotli", SimpleNamespace(Decompressor=Unbounded, error=brotli.error))

    assert decode(brotlied(TEXT), "br", LIMIT) is Undecodable.UNSUPPORTED


@given(st.binary(max_size=300), st.sampled_from([None, "gzip", "deflate", "gzip, deflate", "deflate, gzip", "br", "zstd"]))
def test_any_bytes_are_decoded_or_named(raw: bytes, encoding: str | None) -> None:
    decoded = decode(raw, encoding, 64)
    assert isinstance(decoded, Undecodable) or len(decoded) <= 64


@given(st.binary(max_size=200), st.integers(0, 250))
def test_the_limit_holds_to_the_byte(data: bytes, limit: int) -> None:
    expected = data if len(data) <= limit else Undecodable.TOO_LONG
    assert decode(gzipped(data), "gzip", limit) == expected
    assert decode(data, None, limit) == expected


OBJECTS: list[tuple[bytes, dict[str, Any]]] = [
    (b"{}", {}),
    (b'{"a": [1, 2.5, null, true, {"b": "c"}]}', {"a": [1, 2.5, None, True, {"b": "c"}]}),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ('{"ä": "ö"}'.encode(), {"ä": "ö"}),
    (b'{"a": "\\ud800"}', {"a": "\ud800"}),
    ('{"a": "ungültig"}'.encode("latin-1"), {"a": "ungültig"}),
]


def test_a_json_object_gives_its_members(subtests: pytest.Subtests) -> None:
    for body, members in OBJECTS:
        with subtests.test(f"{body!r}"):
            assert json_object(body) == members


NO_OBJECTS: list[bytes] = [
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
    b'{"a": ' + b"9" * (DIGIT_LIMIT + 1) + b"}",
    '{"a": 1}'.encode("utf-16"),
    '{"a": 1}'.encode("utf-32-le"),
    b'{"a": "line\nbreak"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]


def test_anything_else_has_none(subtests: pytest.Subtests) -> None:
    for body in NO_OBJECTS:
        with subtests.test(f"{body!r:.30}"):
            assert json_object(body) is None


@given(
    st.binary()
    | st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=5).map(lambda value: json.dumps(value).encode())
)
def test_any_body_can_be_read(body: bytes) -> None:
    members = json_object(body)
    assert members is None or isinstance(members, dict)


def test_a_document_of_too_many_values_is_not_read() -> None:
    assert json_object(json.dumps({"a": [1] * VALUE_LIMIT}).encode()) == {"a": [1] * VALUE_LIMIT}
    assert json_object(json.dumps({"a": [1] * (VALUE_LIMIT + 2)}).encode()) is None
