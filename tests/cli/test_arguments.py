from __future__ import annotations

import io
import sys
import types
from pathlib import Path

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.cli.arguments import read_data, read_headers, read_method, read_target


def test_no_body() -> None:
    assert read_data(None) is None


def test_a_body_from_a_file(folder: Path) -> None:
    (folder / "order.json").write_bytes(b"\x00{}")

    assert read_data("@order.json") == b"\x00{}"
    assert read_data("@~/order.json") == b"\x00{}"


def test_a_body_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"{}")))

    assert read_data("-") == b"{}"


WRONG_BODIES: list[tuple[str, str]] = [
    ('{"card": "4111"}', "must be @FILE"),
    ("@nothing.json", "nothing.json cannot be read (No such file or directory)."),
    ("@.", "cannot be read (Is a directory)."),
    ("@a\0b", "cannot be read."),
    ("@~nobody-of-that-name/x", "cannot be read."),
]


def test_a_body_that_cannot_be_had(subtests: pytest.Subtests) -> None:
    for data, problem in WRONG_BODIES:
        with subtests.test(data):
            with pytest.raises(ConfigurationError) as caught:
                read_data(data)

            assert problem in str(caught.value)
            assert "4111" not in str(caught.value)


def test_headers() -> None:
    assert read_headers(["Accept-Language: nl", "X-Empty:", "X-Tabs:\ta\tb "]) == [
        ("Accept-Language", "nl"),
        ("X-Empty", ""),
        ("X-Tabs", "a\tb"),
    ]


def test_headers_from_a_file(folder: Path) -> None:
    (folder / "headers").write_text("X-Api-Key: s3cret\n\nAccept: text/plain\n")

    assert read_headers(["@headers"]) == [("X-Api-Key", "s3cret"), ("Accept", "text/plain")]


NO_HEADERS: list[str] = ["", "nonsense", ": x", "A B: c", "Näme: x", "Name: s3crét", "Name: s3cret\r\nX: y", "Name: s3cret\0"]


def test_what_is_no_header(subtests: pytest.Subtests) -> None:
    for text in NO_HEADERS:
        with subtests.test(repr(text)):
            with pytest.raises(ConfigurationError) as caught:
                read_headers([text])

            assert "s3cr" not in str(caught.value)


NO_HEADER_LINES: list[str] = ["nonsense s3cret", "X-Key: s3crét"]


def test_a_file_with_what_is_no_header(folder: Path, subtests: pytest.Subtests) -> None:
    for line in NO_HEADER_LINES:
        with subtests.test(line):
            (folder / "headers").write_text(line)

            with pytest.raises(ConfigurationError) as caught:
                read_headers(["@headers"])

            assert "a line of headers" in str(caught.value)
            assert "s3cr" not in str(caught.value)


CREDENTIALS: list[str] = [
    "Authorization",
    "proxy-authorization",
    "Cookie",
    "X-Api-Key",
    "X-Auth-Token",
    "X-Client-Secret",
    "X-Password",
]


def test_a_credential_is_no_argument(subtests: pytest.Subtests) -> None:
    for name in CREDENTIALS:
        with subtests.test(str(name)):
            with pytest.raises(ConfigurationError, match="command line") as caught:
                read_headers([f"{name}: s3cret"])

            assert "s3cret" not in str(caught.value)


def test_methods() -> None:
    assert read_method("patch") == "PATCH"


NO_METHODS: list[str] = ["", "G T", "GÉT", "GET\r\nX: y"]


def test_what_is_no_method(subtests: pytest.Subtests) -> None:
    for method in NO_METHODS:
        with subtests.test(repr(method)), pytest.raises(ConfigurationError, match="not an HTTP method"):
            read_method(method)


TARGETS: list[str] = [
    "/products",
    "products?city=Berlin&page_token=eyJ",
    "https://api.example/mail/me@example.com?to=me@example.com",
    "https://api.example/x?tokens=2&keyword=boat#access_token=in-no-query",
    "",
]


def test_a_target_is_taken_as_it_is(subtests: pytest.Subtests) -> None:
    for target in TARGETS:
        with subtests.test(str(target)):
            assert read_target(target) == target


TARGETS_WITH_CREDENTIALS: list[tuple[str, str]] = [
    ("https://me:s3cret@api.example/x", "user name and password"),
    ("//s3cret@api.example/x", "user name and password"),
    ("HTTPS://me:s3cret@api.example?x", "user name and password"),
    ("/x?access_token=s3cret", "parameter access_token"),
    ("/x?a=b&API-Key=s3cret", "parameter API-Key"),
    ("https://api.example/x?%74oken=s3cret#y", "parameter token"),
]


def test_a_target_with_a_credential_is_none(subtests: pytest.Subtests) -> None:
    for target, what in TARGETS_WITH_CREDENTIALS:
        with subtests.test(target):
            with pytest.raises(ConfigurationError, match="command line") as caught:
                read_target(target)

            assert what in caught.value.message
            assert "--header @FILE" in caught.value.remedy
            assert "s3cret" not in str(caught.value)
