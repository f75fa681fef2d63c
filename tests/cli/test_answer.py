from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from prio_middleware import Secret
from prio_middleware.cli.answer import Said, beginning, listen

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
PRIO = {
    "error": "AUTHORIZATION_FAILURE",
    "error_reference": "AB12",
    "error_message": "Not yours.",
    "error_description": "Really not.",
}


def response(library: Any, status: int = 403, **options: Any) -> Any:
    return library.Response(status, **options)


@LIBRARIES
@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (PRIO, Said(403, "AUTHORIZATION_FAILURE", "Not yours.", "AB12")),
        ({"error": "invalid_token", "error_description": "Old."}, Said(403, "invalid_token", "Old.")),
        ({"type": "about:blank", "title": "Forbidden", "detail": "Not yours."}, Said(403, None, "Not yours.")),
        ({"error": {"code": 7}, "title": "No"}, Said(403, None, "No")),
        (
            {"error": "A\x1b[2J", "error_message": "echo: s3cret-canary"},
            Said(403, "A [2J", "(withheld: it repeats a credential)"),
        ),
        ([], Said(403)),
    ],
)
def test_what_an_answer_says(library: Any, members: Any, expected: Said) -> None:
    assert listen(response(library), json.dumps(members).encode(), [Secret("s3cret-canary")]) == expected


@LIBRARIES
def test_what_its_headers_say(library: Any) -> None:
    assert listen(response(library, 429, headers={"Retry-After": "7"}), b"").retry_after == 7
    assert listen(response(library, 302, headers={"Location": "/x\x1b"}), b"").location == "/x"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (Said(200), "200 OK"),
        (Said(599), "599"),
        (Said(302, location="/products"), "302 Found: to /products"),
        (
            Said(429, "TOO_MANY", "Slow down.", "AB12", 59.7),
            "429 Too Many Requests: TOO_MANY, Slow down, error_reference AB12, try again in 60 s",
        ),
    ],
)
def test_it_is_said_in_one_line(said: Said, text: str) -> None:
    assert str(said) == text


@LIBRARIES
@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (b'{"a": 1}', "identity", b'{"a": 1}'),
        (gzip.compress(b'{"a": 1}', mtime=0), "gzip", b'{"a": 1}'),
        (b"no gzip", "gzip", b""),
        (gzip.compress(b"0" * 1_000_000, mtime=0), "gzip", b""),
    ],
)
def test_the_beginning_of_a_body(library: Any, content: bytes, encoding: str, text: bytes) -> None:
    def stream() -> Iterator[bytes]:
        yield content

    assert beginning(response(library, headers={"Content-Encoding": encoding}, content=stream())) == text


@LIBRARIES
def test_a_body_without_end_is_not_read_to_it(library: Any) -> None:
    assert beginning(response(library, content=itertools.repeat(b"x" * 1000))) == b""
