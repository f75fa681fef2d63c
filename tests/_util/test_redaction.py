from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware._util.redaction import (
    DESCRIPTION_LIMIT,
    SEARCHED_LIMIT,
    WITHHELD,
    printable,
    safe_url,
    server_code,
    server_text,
)
from prio_middleware._util.secret import Secret
from tests.secret_forms import CANARY, FORMS

SECRETS = (Secret(CANARY),)


SHOWN: list[tuple[str, str]] = [
    ("The client is unknown.", "The client is unknown."),
    ("line\r\nbreak\tand\x00more", "line break and more"),
    ('a "quoted" \\ word', "a  quoted    word"),
    ("\x1b[31mred", "[31mred"),
    ("ünïcode", "n code"),
    ("\ud800", ""),
    ("", ""),
]


@pytest.mark.pitfall(id="control-characters")
def test_only_the_characters_of_rfc_6749_are_repeated(subtests: pytest.Subtests) -> None:
    for text, shown in SHOWN:
        with subtests.test(f"{text!r}"):
            assert printable(text) == shown


def test_a_long_text_is_cut_and_marked() -> None:
    assert printable("x" * 1_000_000) == "x" * (DESCRIPTION_LIMIT - 1) + "~"
    assert printable("abcdef", 4) == "abc~"
    assert printable("abcd", 4) == "abcd"


def test_a_server_that_said_nothing_readable_is_not_repeated(subtests: pytest.Subtests) -> None:
    for text in [None, 5, True, ["x"], {"a": "b"}, b"bytes", "", "   ", "\r\n"]:
        with subtests.test(f"{text!r}"):
            assert server_text(text, SECRETS) is None


def test_a_text_that_echoes_a_secret_is_withheld(subtests: pytest.Subtests) -> None:
    for form in [*(write(CANARY) for write in FORMS.values()), CANARY[3:12], CANARY[-8:]]:
        with subtests.test(f"{form!r:.60}"):
            assert server_text(f"Wrong: {form}!", SECRETS) == WITHHELD
            assert server_code(form, SECRETS) is None


def test_a_short_secret_counts_as_a_whole(subtests: pytest.Subtests) -> None:
    for secret in ["four", "short", "exactly8"]:
        with subtests.test(f"{secret}"):
            assert server_text(f"Wrong: {secret}", [Secret(secret)]) == WITHHELD
            assert server_text("Quite other: a b c", [Secret(secret + "!")]) == "Quite other: a b c"


SENTENCE = "A client's secret is too short: ask for another (1 of 2)."


@pytest.mark.parametrize("secret", ["a", "e", "1", "is", "the", "(", " ", "'"])
def test_a_secret_too_short_to_be_searched_for_leaves_other_texts_readable(secret: str) -> None:
    assert server_text(SENTENCE, [Secret(secret)]) == SENTENCE
    assert server_code("invalid_client", [Secret(secret)]) == "invalid_client"


@pytest.mark.parametrize("secret", ["a", "Q7", "xyz", "-_-"])
def test_a_value_that_is_a_very_short_secret_is_withheld(secret: str, subtests: pytest.Subtests) -> None:
    for template in [
        "{}",
        " {} ",
        'Wrong: "{}"',
        "client_secret='{}' is wrong",
        "isn't `{}`",
        "client_id=shop&client_secret={}&scope=x",
        "client_secret={}",
        "form: data=client_secret={}",
        '{{"client_secret":"{}"}}',
        '"{{\\"client_secret\\":\\"{}\\"}}"',
    ]:
        with subtests.test(template):
            assert server_text(template.format(secret), [Secret(secret)]) == WITHHELD
            assert server_text(template.format(secret.encode().hex()), [Secret(secret)]) == WITHHELD
    assert server_code(secret, [Secret(secret)]) is None


def test_other_words_are_repeated(subtests: pytest.Subtests) -> None:
    for secret in ["", "client-secret-1", CANARY, "\udcff-no-utf-8"]:
        with subtests.test(f"{secret!r}"):
            assert server_text("The client secret is wrong.", [Secret(secret)]) == "The client secret is wrong."


def test_text_beyond_the_repeated_part_is_not_searched() -> None:
    assert server_text("ok " + " " * 1_000_000 + CANARY, SECRETS) == "ok"


def test_a_long_secret_is_searched_for_as_a_whole(subtests: pytest.Subtests) -> None:
    secret = random_text(16 * 1024)
    for start in (0, 4090, 4096, 9001, len(secret) - 8):
        with subtests.test(start=start):
            assert server_text(f"Wrong: {secret[start : start + 8]}!", [Secret(secret)]) == WITHHELD
    assert server_text("The token is wrong.", [Secret(secret)]) == "The token is wrong."


def test_every_run_of_eight_characters_is_found() -> None:
    secret = random_text(60)
    for start in range(len(secret) - 7):
        run = secret[start : start + 8]
        assert server_text(f"({run})", [Secret(secret)]) == WITHHELD
        assert server_text(f"({run[:7]})", [Secret(secret)]) == f"({run[:7]})"


def test_a_text_is_withheld_that_is_not_searched(subtests: pytest.Subtests) -> None:
    secret = random_text(SEARCHED_LIMIT // 2)
    several = [Secret(secret), Secret(secret[::-1]), Secret("x")]
    for about, text, secrets in [
        ("too many characters of secrets", "Unknown.", several),
        ("too many parts that resemble them", " ".join(secret[start : start + 6] for start in range(0, 240, 6)), several[:1]),
    ]:
        with subtests.test(about):
            assert server_text(text, secrets, 300) == WITHHELD


def random_text(length: int) -> str:
    return "".join(random.Random(length).choices(string.ascii_letters + string.digits, k=length))


def test_a_code_is_a_text(subtests: pytest.Subtests) -> None:
    for code, kept in [("invalid_client", "invalid_client"), (None, None), (7, None), (["x"], None), ("a\nb", "a b")]:
        with subtests.test(f"{code!r}"):
            assert server_code(code) == kept


def test_a_code_is_cut() -> None:
    assert len(server_code("x" * 1000) or "") == 64


@given(st.text(), st.text())
def test_whatever_a_server_says_is_bounded_and_printable(text: str, secret: str) -> None:
    shown = server_text(text, [Secret(secret)]) or ""
    assert len(shown) <= DESCRIPTION_LIMIT
    assert shown.isprintable()
    assert shown.isascii()


@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_is_repeated(secret: str, before: str, after: str) -> None:
    assert secret not in (server_text(before + secret + after, [Secret(secret)]) or "").replace(WITHHELD, "")


URLS: list[tuple[object, str]] = [
    ("https://api.example/v3.8/token", "https://api.example/v3.8/token"),
    ("https://api.example:8443/t?secret=x#frag", "https://api.example:8443/t"),
    ("https://user:s3cret@api.example/t", "https://api.example/t"),
    ("https://u:a@b@api.example/t", "https://api.example/t"),
    ("https://[::1]:8443/t", "https://[::1]:8443/t"),
    ("https://api.example/orders?email=me@example.com", "https://api.example/orders"),
    ("https://api.example/@scope/x", "https://api.example/@scope/x"),
    ("/relative/path?x=s3cret", "/relative/path"),
    ("//api.example/t", "//api.example/t"),
    ("", ""),
    (None, "None"),
    ("https:/user:s3cret@api.example/t", "https:api.example/t"),
    ("user:s3cret@api.example", "user:api.example"),
    ("https://user:s3c/ret@api.example/t", "(a URL that cannot be parsed)"),
    ("https://user:123/s3cret@api.example/t", "https://user"),
    ("https://user:123?s3cret@api.example/t", "https://user"),
    ("https://[::1/t", "(a URL that cannot be parsed)"),
    ("https://api.example:port/", "(a URL that cannot be parsed)"),
    ("https://api.example/a\r\nb\x1b", "https://api.example/ab"),
]


def test_a_url_is_shown_without_what_may_be_secret(subtests: pytest.Subtests) -> None:
    for url, shown in URLS:
        with subtests.test(f"{url!r}"):
            assert safe_url(url) == shown


@given(st.text())
def test_any_url_can_be_shown(url: str) -> None:
    assert len(safe_url(url)) <= 300


@settings(max_examples=40)
@given(st.from_regex(r"https://[a-z]+:[!-?A-~]{0,6}s3cret[!-~]{0,6}@[a-z]+/[a-z]*", fullmatch=True))  # after an @ it is a host
def test_no_password_is_shown(url: str) -> None:
    assert "s3cret" not in safe_url(url)
