from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware._util.www_authenticate import HEADER_LIMIT, bearer_error, schemes

ERRORS: list[tuple[str, str]] = [
    ('Bearer error="invalid_token"', "invalid_token"),
    ("Bearer error=invalid_token", "invalid_token"),
    ('Bearer realm="prio", error="insufficient_scope", scope="a b"', "insufficient_scope"),
    ('bEaReR  ERROR\t=\t"invalid_token"', "invalid_token"),
    ('Basic realm="prio", Bearer error="invalid_token"', "invalid_token"),
    ('Bearer error="invalid_token", Basic realm="prio"', "invalid_token"),
    ('Bearer realm="first", Basic realm="x", Bearer error="second"', "second"),
    ('Bearer error="first", error="again", Bearer error="second"', "first"),
    ('Digest qop="auth, auth-int", Bearer error="invalid_token"', "invalid_token"),
    ('Basic realm="say \\"Bearer error=\\\\", Bearer error="real"', "real"),
    ('Bearer error="in\\valid\\_token"', "invalid_token"),
    ('Bearer error=""', ""),
    ("Negotiate YII=, Bearer error=x", "x"),
    ("NTLM TlRMTVNTUAA==, Bearer error=x", "x"),
    ("Basic YWJj, Bearer error=x", "x"),
    (",, , Bearer error=x,", "x"),
    ("Bearer, error=x", "x"),
    ('Bearer realm="a" junk; more, error="x"', "x"),
    ('Bearer @@@, error="x"', "x"),
    ('Bearer error_description="a, error=b", error=c', "c"),
]


@pytest.mark.pitfall(id="insufficient-scope")
def test_the_error_of_the_bearer_challenge_is_found(subtests: pytest.Subtests) -> None:
    for header, error in ERRORS:
        with subtests.test(f"{header}"):
            assert bearer_error(header) == error


NO_ERRORS: list[str | None] = [
    None,
    "",
    "   ",
    ",,,",
    "Bearer",
    "Bearer ",
    'Bearer realm="prio"',
    'Basic error="invalid_token"',
    'Bearer realm="x", Basic error="invalid_token"',
    'Basic realm="Bearer error=invalid_token"',
    'Basic realm="\\", Bearer error=x"',
    'Bearer error="invalid_token',
    'Bearer realm="never closed, error="invalid_token',
    "error=invalid_token",
    "Bearer error",
    "Bearer error=",
    "Bearererror=x",
    'XBearer error="x"',
    "\x00\xff=",
]


@pytest.mark.pitfall(id="insufficient-scope")
def test_where_there_is_none_there_is_none(subtests: pytest.Subtests) -> None:
    for header in NO_ERRORS:
        with subtests.test(f"{header!r}"):
            assert bearer_error(header) is None


def test_only_the_beginning_of_a_long_header_is_parsed() -> None:
    assert bearer_error("Basic realm=x, " + " " * HEADER_LIMIT + "Bearer error=x") is None


@given(st.text() | st.text(alphabet='Bearer error="\\, \t=x'))
def test_any_header_can_be_read(header: str) -> None:
    error = bearer_error(header)
    assert error is None or len(error) <= len(header)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_quoted_error_is_unquoted(error: str) -> None:
    quoted = error.replace("\\", "\\\\").replace('"', '\\"')
    assert bearer_error(f'Basic realm="{quoted}", Bearer realm="{quoted}", error="{quoted}"') == error


SCHEMES: list[tuple[str | None, set[str]]] = [
    (None, set()),
    ("", set()),
    ("???", set()),
    ('error="invalid_token"', set()),
    ("Negotiate", {"negotiate"}),
    ("Negotiate YII=", {"negotiate"}),
    ('Digest realm="a, Bearer b", qop="auth", algorithm=MD5', {"digest"}),
    ('Basic realm="a", Bearer realm="b"', {"basic", "bearer"}),
    ("bEARER", {"bearer"}),
    ("NTLM, Basic", {"ntlm", "basic"}),
    ("Basic realm=" + "x" * HEADER_LIMIT + ", Bearer", set()),
]


@pytest.mark.pitfall(id="other-schemes")
def test_the_schemes_that_are_named(subtests: pytest.Subtests) -> None:
    for header, named in SCHEMES:
        with subtests.test(f"{header!r:.60}"):
            assert schemes(header) == named
