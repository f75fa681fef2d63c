from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware._util.secret_matcher import SecretMatcher
from tests.secret_forms import CANARY, FORMS

RUN = 8


def test_every_form_is_found_whole_and_in_part(subtests: pytest.Subtests) -> None:
    for name, write in FORMS.items():
        with subtests.test(name):
            form = write(CANARY)
            middle = len(form) // 2
            assert SecretMatcher([CANARY], RUN).find(f"before {form} after")
            assert SecretMatcher([CANARY], RUN).find(form[middle - RUN : middle + RUN])


def test_a_match_names_the_form_of_the_trace(subtests: pytest.Subtests) -> None:
    for text, how in [
        (f"x{CANARY}", "as it is"),
        (CANARY.encode().hex(), "in hexadecimal"),
        (base64.b64encode(CANARY.encode()).decode(), "in base64"),
        ("p@ss%20w%C3%B6rd", "percent-encoded"),
        ("", None),
        (CANARY[: RUN - 1], None),
        (CANARY[::-1], None),
    ]:
        with subtests.test(f"{text!r:.60}"):
            assert SecretMatcher(["another one", CANARY], RUN).find(text) == how


def test_a_short_secret_counts_as_a_whole(subtests: pytest.Subtests) -> None:
    for secret in ["s", "short", "exactly"]:
        with subtests.test(f"{secret}"):
            assert SecretMatcher([secret], RUN).find(f"it is {secret}.") == "as it is"
            assert SecretMatcher([f"{secret}!"], RUN).find(f"it is {secret}.") is None


def test_no_secret_leaves_no_trace(subtests: pytest.Subtests) -> None:
    for secrets in [[], [""]]:
        with subtests.test(f"{secrets}"):
            assert SecretMatcher(secrets, RUN).find("anything at all, d41d8cd98f00b204e9800998ecf8427e") is None


def test_a_matcher_does_not_show_its_secrets() -> None:
    assert CANARY not in repr(SecretMatcher([CANARY], RUN))


@settings(max_examples=40)
@given(st.text(min_size=RUN), st.text(), st.text())
def test_any_secret_is_found_in_base64_at_any_place(secret: str, before: str, after: str) -> None:
    raw = f"{before}{secret}{after}".encode("utf-8", "surrogatepass")
    assert SecretMatcher([secret], RUN).find(base64.b64encode(raw).decode())
