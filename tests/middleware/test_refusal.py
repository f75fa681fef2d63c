from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware._util.redaction import CODE_LIMIT
from prio_middleware._util.secret import Secret
from prio_middleware.middleware.revocation.refusal import BODY_LIMIT, Refusal, parse_refusal
from tests.secret_forms import CANARY, FORMS

PRIO = {
    "error": "AUTHORIZATION_FAILURE",
    "error_reference": "4f2d-77",
    "error_message": "The token is not valid.",
    "errors": ["The token is not valid."],
}


def read(body: bytes | None, status: int = 403, **headers: str) -> Refusal:
    return parse_refusal(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), body)


def encoded(**members: Any) -> bytes:
    return json.dumps(members).encode()


def test_a_body_of_the_vendor_gives_code_and_reference() -> None:
    assert read(encoded(**PRIO)) == Refusal(403, "AUTHORIZATION_FAILURE", None, "4f2d-77", complete=True)


@pytest.mark.pitfall(id="insufficient-scope")
def test_a_challenge_gives_its_error() -> None:
    refusal = read(b"", 401, WWW_Authenticate='Basic realm="x", Bearer error="invalid_token"')
    assert refusal == Refusal(401, None, "invalid_token")


def test_several_challenge_headers_are_read_as_one() -> None:
    headers = httpx.Headers([("www-authenticate", 'Basic realm="x"'), ("WWW-Authenticate", 'Bearer error="invalid_token"')])
    assert parse_refusal(401, headers, b"").challenge == "invalid_token"


def test_an_encoded_body_is_decoded(subtests: pytest.Subtests) -> None:
    for encoding in ["gzip", "GZIP, identity"]:
        with subtests.test(f"{encoding}"):
            assert read(gzip.compress(encoded(**PRIO)), content_encoding=encoding).code == "AUTHORIZATION_FAILURE"


NO_CODES: list[bytes] = [
    b"",
    b"Forbidden",
    b"<html>Forbidden</html>",
    b"[]",
    b"null",
    b'{"error": ',
    b'{"error": "a", "error": "b"}',
    b"\xff\xfe",
    b"[" * 60_000,
    b'{"error": null}',
    b'{"error": 403}',
    b'{"error": true}',
    b'{"error": ["invalid_token"]}',
    b'{"error": {"code": "invalid_token"}}',
    b'{"error": ""}',
    b'{"errors": ["x"]}',
]


def test_a_body_without_a_code_has_none(subtests: pytest.Subtests) -> None:
    for body in NO_CODES:
        with subtests.test(f"{body!r:.30}"):
            assert read(body) == Refusal(403)


def test_a_body_that_was_too_long_to_read_is_not_complete() -> None:
    assert read(None, 401, WWW_Authenticate="Bearer error=invalid_token") == Refusal(401, None, "invalid_token", complete=False)


def test_a_body_that_unfolds_to_more_than_is_read_is_not_complete(subtests: pytest.Subtests) -> None:
    for size in [BODY_LIMIT, 10_000_000]:
        with subtests.test(f"{size}"):
            bomb = gzip.compress(b'{"error": "' + b"x" * size)
            assert read(bomb, content_encoding="gzip") == Refusal(403, complete=False)


def test_a_body_that_cannot_be_decoded_says_nothing_but_is_complete(subtests: pytest.Subtests) -> None:
    for body, encoding in [(encoded(**PRIO), "br"), (b"corrupt", "gzip")]:
        with subtests.test(f"{encoding}"):
            assert read(body, content_encoding=encoding) == Refusal(403)


def test_codes_are_printable_and_cut() -> None:
    refusal = read(
        encoded(error="a\r\nb" + "x" * 1000, error_reference="\x1b[31m" + "y" * 1000),
        WWW_Authenticate=f'Bearer error="{"z" * 1000}"',
    )
    for kept in (refusal.code, refusal.error_reference, refusal.challenge):
        assert kept
        assert len(kept) == CODE_LIMIT
        assert kept.isprintable()


@given(st.integers(100, 599), st.binary(), st.sampled_from(["", "gzip", "deflate", "br"]), st.text())
def test_any_refusal_can_be_read(status: int, body: bytes, encoding: str, challenge: str) -> None:
    refusal = parse_refusal(status, {"content-encoding": encoding, "www-authenticate": challenge}, body)
    assert refusal.status_code == status
    assert len(refusal.challenge or "") <= CODE_LIMIT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["error", "error_reference", "error_description", "errors"]), json_values))
def test_any_error_body_can_be_read(members: dict[str, Any]) -> None:
    refusal = read(encoded(**members))
    assert refusal.complete
    assert isinstance(refusal.code, str | None)
    assert len(refusal.code or "") <= CODE_LIMIT


def test_a_code_that_repeats_the_token_is_not_kept(subtests: pytest.Subtests) -> None:
    headers = {"www-authenticate": f'Bearer error="{quote(CANARY)}"'}
    for form, write in FORMS.items():
        with subtests.test(form):
            echoed = write(CANARY)
            body = encoded(error=echoed, error_reference=f"R {echoed}")
            assert parse_refusal(401, headers, body, [Secret(CANARY)]) == Refusal(401)


@pytest.mark.pitfall(id="header-decides")
def test_the_header_decides_if_it_says_whether_the_token_is_valid(subtests: pytest.Subtests) -> None:
    for challenge, decided in [
        ("Bearer error=invalid_token", True),
        ("Bearer error=Insufficient_Scope", True),
        ("Bearer error=invalid_request", False),
        ("Bearer", False),
        ("Basic", False),
    ]:
        with subtests.test(f"{challenge}"):
            assert read(None, 401, WWW_Authenticate=challenge).decided is decided


def test_the_schemes_are_kept() -> None:
    assert read(b"", 401, WWW_Authenticate="Basic, Digest realm=a").schemes == {"basic", "digest"}
