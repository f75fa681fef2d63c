from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware import PrioError
from prio_middleware.cli.response import COLOUR_LIMIT, format_json, write_raw, write_readable
from tests.cli.helpers import ESCAPE, Screen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def answer(library: Any, content: bytes, kind: str | None = "application/json") -> Any:
    return library.Response(200, headers={"Content-Type": kind} if kind else {}, content=content)


@settings(max_examples=30)
@given(JSON)
def test_a_document_is_laid_out_as_the_standard_library_does_it(document: Any) -> None:
    assert format_json(json.dumps(document)) == json.dumps(document, indent=2)


DOCUMENTS: list[tuple[str, str]] = [
    (
        '{"price":12.50,"id":123456789012345678901234567890}',
        '{\n  "price": 12.50,\n  "id": 123456789012345678901234567890\n}',
    ),
    ('{"a":1,"a":2}', '{\n  "a": 1,\n  "a": 2\n}'),
    (" [ ]\n", "[]"),
    ('"a\\"{[,:"', '"a\\"{[,:"'),
    ("[1e400, -0]", "[\n  1e400,\n  -0\n]"),
]


def test_nothing_of_a_document_is_lost(subtests: pytest.Subtests) -> None:
    for text, lines in DOCUMENTS:
        with subtests.test(text):
            assert format_json(text) == lines


BODIES: list[tuple[bytes, str | None, str]] = [
    (b'{"a":[1,{}]}', "application/json", '{\n  "a": [\n    1,\n    {}\n  ]\n}\n'),
    (b"\xef\xbb\xbf[]", "application/json", "[]\n"),
    ('{"a":"\x9b31m\N{SNOWMAN}"}'.encode(), "application/json", '{\n  "a": "\\u009b31m\N{SNOWMAN}"\n}\n'),
    (b"<b>\x1b[2J[red]no</b>\n", "text/html", "<b>\\u001b[2J[red]no</b>\n"),
    ("caf\xe9".encode("latin-1"), "text/plain; charset=latin-1", "caf\xe9\n"),
    (b"text", "text/plain; charset=nonsense", "text\n"),
    (b"{not json", "application/json", "{not json\n"),
    (b"[" * 100_000, "application/json", "[" * 100_000 + "\n"),
    (b"", None, ""),
]


def test_a_body_for_people(library: Any, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests) -> None:
    for content, kind, shown in BODIES:
        with subtests.test(f"{content!r:.40} {kind}"):
            assert write_readable(answer(library, content, kind)) == content[: 64 * 1024]
            assert capsys.readouterr() == (shown, "")


NO_TEXTS: list[tuple[bytes, str | None, str]] = [
    (b"\x89PNG\0\x1a", "image/png", "6 bytes of image/png. --json prints them unchanged.\n"),
    (b"\xff\xfe", "application/octet-stream", "2 bytes of application/octet-stream. --json prints them unchanged.\n"),
    (b"text", "text/plain; charset=hex", "4 bytes of text/plain; charset=hex."),
    (b"\0\0", None, "2 bytes of an unknown type."),
]


def test_a_body_that_is_no_text(library: Any, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests) -> None:
    for content, kind, said in NO_TEXTS:
        with subtests.test(said):
            write_readable(answer(library, content, kind))

            written = capsys.readouterr()
            assert written.out == ""
            assert said in written.err


def test_a_body_that_is_too_long_for_people(library: Any) -> None:
    response = answer(library, b"x" * 11)
    response.request = library.Request("GET", "https://api.example/big")

    with pytest.raises(PrioError, match="too long") as caught:
        write_readable(response, limit=10)

    assert caught.value.remedy == "Write it to a file, with --json."


@pytest.mark.parametrize(("length", "coloured"), [(1, True), (COLOUR_LIMIT, False)])
def test_json_has_colours_where_that_does_not_take_too_long(
    library: Any, monkeypatch: pytest.MonkeyPatch, length: int, coloured: bool
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")

    write_readable(answer(library, b'{"a":"' + b"b" * length + b'"}'))

    assert "b" * length in screen.getvalue()
    assert bool(ESCAPE.search(screen.getvalue())) is coloured


RAW_BODIES: list[bytes] = [b"", b'{"a": "\x1b[2J\xff"}\r\n', bytes(range(256)), b"x" * 100_000]


def test_a_raw_body_in_a_pipe_is_as_it_is(
    library: Any, capfdbinary: pytest.CaptureFixture[bytes], subtests: pytest.Subtests
) -> None:
    for content in RAW_BODIES:
        with subtests.test(f"{content!r:.40}"):
            assert write_raw(answer(library, content)) == content[: 64 * 1024]

            sys.stdout.flush()
            assert capfdbinary.readouterr().out == content


def test_a_raw_body_on_a_terminal_does_not_steer_it(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)

    write_raw(answer(library, '{"a": "\x1b[2J\N{SNOWMAN}"}'.encode() + b"\xff"))

    assert screen.getvalue() == '{"a": "\\u001b[2J\N{SNOWMAN}"}\N{REPLACEMENT CHARACTER}\n'
