from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.testing.search import PART, SHORTEST, Searched

SECRET = 'p@ss/w"rd+$%~ \N{SNOWMAN} and more of it'

ENCODINGS = {
    "as it is": lambda secret: secret,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in lower case": lambda secret: quote(secret, safe="").lower(),
    "form-encoded": quote_plus,
    "in JSON": json.dumps,
    "in JSON, twice": lambda secret: json.dumps({"body": secret})[1:],
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in Basic credentials": lambda secret: base64.b64encode(f"a-client:{secret}".encode()).decode(),
    "in base64 for URLs": lambda secret: base64.urlsafe_b64encode(f"ab{secret}??".encode()).decode(),
    "in capitals": str.upper,
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_is_found_however_it_is_encoded(encode: object) -> None:
    assert callable(encode)

    assert Searched(f"before {encode(SECRET)} after").repeats(SECRET)


@given(st.text(min_size=SHORTEST), st.text(), st.text())
def test_any_secret_is_found_in_base64_at_any_place(secret: str, before: str, after: str) -> None:
    raw = f"{before}{secret}{after}".encode("utf-8", "surrogatepass")

    assert Searched(base64.b64encode(raw).decode()).repeats(secret)


@pytest.mark.parametrize("part", [SECRET[:PART], SECRET[-PART:], SECRET[3 : 3 + PART]])
def test_a_part_of_a_secret_is_a_leak_too(part: str) -> None:
    assert Searched(f"{part}...").repeats(SECRET)


@pytest.mark.parametrize("text", ["", "**", "Secret('**')", SECRET[: PART - 1], SECRET[::-1]])
def test_what_says_nothing_of_a_secret_is_none(text: str) -> None:
    assert not Searched(text).repeats(SECRET)


def test_a_short_secret_is_found_as_a_whole_only() -> None:
    assert Searched("it is tr0ub4dor!").repeats("tr0ub4dor")
    assert not Searched("it is tr0ub4do").repeats("tr0ub4dor")


def test_a_word_is_no_secret() -> None:
    assert not Searched("the secret").repeats("secret")
