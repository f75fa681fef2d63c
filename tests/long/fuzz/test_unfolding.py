"""Four gigabytes in a few hundred bytes: what is unfolded of them is counted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest

from prio_middleware import InvalidTokenResponseError
from prio_middleware._util.safe_body import Undecodable, decode
from prio_middleware.middleware.revocation.refusal import BODY_LIMIT, parse_refusal
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.token_response import RESPONSE_LIMIT, TokenResponse, parse_response
from tests.long.fuzz.unfolding import counted

MEBIBYTE = 1024 * 1024
GZIP_HEADER = gzip.compress(b"", mtime=0)[:10]


def bomb(mebibytes: int) -> bytes:
    """Zeros, in gzip thrice. Of the innermost stream one block is made, and repeated."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = compressor.compress(bytes(MEBIBYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(gzip.compress(GZIP_HEADER + block * mebibytes, mtime=0), mtime=0)


BOMB = bomb(4096)
HEADERS = httpx.Headers({"content-encoding": "gzip, gzip, gzip"})


def test_the_bomb_unfolds_to_its_size() -> None:
    once = zlib.decompressobj(31).decompress(gzip.decompress(gzip.decompress(bomb(3))))
    assert once == bytes(3 * MEBIBYTE)
    assert len(BOMB) < 1024


@pytest.mark.parametrize("limit", [0, 1, 1024, BODY_LIMIT, RESPONSE_LIMIT])
def test_no_more_than_the_limit_is_unfolded_for_each_encoding(limit: int) -> None:
    with counted() as unfolded:
        assert decode(BOMB, "gzip, gzip, gzip", limit) is Undecodable.TOO_LONG

    assert unfolded.bytes <= 3 * (limit + 1)


def token_answer() -> None:
    answer = parse_response(TokenResponse(200, HEADERS, BOMB), 0.0, ExpiryPolicy())
    assert isinstance(answer, InvalidTokenResponseError)


def refusal() -> None:
    assert not parse_refusal(403, HEADERS, BOMB).complete


@pytest.mark.parametrize(("read", "limit"), [(token_answer, RESPONSE_LIMIT), (refusal, BODY_LIMIT)])
def test_an_answer_that_is_one_is_given_up(read: Callable[[], None], limit: int) -> None:
    with counted() as unfolded:
        read()

    assert 0 < unfolded.bytes <= 3 * (limit + 1)
