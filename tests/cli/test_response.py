from __future__ import annotations

import gzip
import itertools
import json
from typing import Any

import pytest

from prio_middleware import Secret
from prio_middleware.cli.response import ApiMessage, read_message, read_short_body

PRIO = {
    "error": "AUTHORIZATION_FAILURE",
    "error_reference": "AB12",
    "error_message": "Not yours.",
    "error_description": "Really not.",
}


def response(library: Any, status: int = 403, **options: Any) -> Any:
    return library.Response(status, **options)


ANSWERS: list[tuple[Any, ApiMessage]] = [
    (PRIO, ApiMessage(403, "AUTHORIZATION_FAILURE", "Not yours.", "AB12")),
    ({"error": "invalid_token", "error_description": "Old."}, ApiMessage(403, "invalid_token", "Old.")),
    ({"type": "about:blank", "title": "Forbidden", "detail": "Not yours."}, ApiMessage(403, None, "Not yours.")),
    ({"error": {"code": 7}, "title": "No"}, ApiMessage(403, None, "No")),
    (
        {"error": "A\x1b[2J", "error_message": "echo: s3cret-canary"},
        ApiMessage(403, "A [2J", "(withheld: it repeats a credential)"),
    ),
    ([], ApiMessage(403)),
]


def test_what_an_answer_says(library: Any, subtests: pytest.Subtests) -> None:
    for members, expected in ANSWERS:
        with subtests.test(str(expected)):
            assert read_message(response(library), json.dumps(members).encode(), [Secret("s3cret-canary")]) == expected


def test_what_its_headers_say(library: Any) -> None:
    assert read_message(response(library, 429, headers={"Retry-After": "7"}), b"").retry_after == 7
    assert read_message(response(library, 302, headers={"Location": "/x\x1b"}), b"").location == "/x"


LINES: list[tuple[ApiMessage, str]] = [
    (ApiMessage(200), "200 OK"),
    (ApiMessage(599), "599"),
    (ApiMessage(302, location="/products"), "302 Found: to /products"),
    (
        ApiMessage(429, "TOO_MANY", "Slow down.", "AB12", 59.7),
        "429 Too Many Requests: TOO_MANY, Slow down, error_reference AB12, retry in 60 s",
    ),
]


def test_a_response_is_described_in_one_line(subtests: pytest.Subtests) -> None:
    for message, text in LINES:
        with subtests.test(text):
            assert str(message) == text


BODIES: list[tuple[bytes, str, bytes]] = [
    (b'{"a": 1}', "identity", b'{"a": 1}'),
    (gzip.compress(b'{"a": 1}', mtime=0), "gzip", b'{"a": 1}'),
    (b"no gzip", "gzip", b""),
    (gzip.compress(b"0" * 1_000_000, mtime=0), "gzip", b""),
]


def test_the_beginning_of_a_body(library: Any, subtests: pytest.Subtests) -> None:
    for content, encoding, text in BODIES:
        with subtests.test(f"{content!r:.40} {encoding}"):
            stream = iter([content])
            assert read_short_body(response(library, headers={"Content-Encoding": encoding}, content=stream)) == text


def test_a_body_without_end_is_not_read_to_it(library: Any) -> None:
    assert read_short_body(response(library, content=itertools.repeat(b"x" * 1000))) == b""
