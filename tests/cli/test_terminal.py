from __future__ import annotations

import io
import json
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from prio_middleware.cli.terminal import COLUMNS, WIDE, columns, output, print_json, visible, waiting, wrapped
from tests.cli.helpers import Screen

UNSAFE: list[tuple[str, str]] = [
    ("plain \N{SNOWMAN}\ttext\nand more", "plain \N{SNOWMAN}\ttext\nand more"),
    ("lines\r\nof Windows", "lines\nof Windows"),
    ("over\rwritten", r"over\u000dwritten"),
    ("\x1b[2J\x1b]0;title\x07", r"\u001b[2J\u001b]0;title\u0007"),
    ("\x9b31m and \x7f", r"\u009b31m and \u007f"),
    ("user\u202egnp.exe \u2066x\u2069", r"user\u202egnp.exe \u2066x\u2069"),
    ("\ud800", r"\ud800"),
    ("\U000e0041", r"\udb40\udc41"),
    ("[bold]no markup[/bold] :warning:", "[bold]no markup[/bold] :warning:"),
]


def test_what_would_steer_a_terminal_is_shown_instead(subtests: pytest.Subtests) -> None:
    for text, shown in UNSAFE:
        with subtests.test(repr(text)):
            assert visible(text) == shown


@settings(max_examples=30)
@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_json_means_the_same_afterwards(document: dict[str, object]) -> None:
    assert json.loads(visible(json.dumps(document, ensure_ascii=False))) == document


def test_json_for_programs_holds_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"said": "\x9b31m\x7f"})

    assert capsys.readouterr().out == '{\n  "said": "\\u009b31m\\u007f"\n}\n'


WRAPPED: list[tuple[str, list[str]]] = [
    ("", [""]),
    ("one two three", ["one two", "three"]),
    ("two\n\nlines\n", ["two", "lines"]),
    ("the list:\n  - an item of it", ["the list:", "  - an item", "    of it"]),
    ("https://long.example is-a-word", ["https://long.example", "is-a-word"]),
    ("\x1b[2J", [r"\u001b[2J"]),
]


def test_lines_are_broken_between_words(subtests: pytest.Subtests) -> None:
    for text, lines in WRAPPED:
        with subtests.test(repr(text)):
            assert wrapped(text, 11) == lines


WIDTHS: list[tuple[int, int]] = [(80, 80), (400, COLUMNS)]


def test_a_wide_terminal_is_not_filled(subtests: pytest.Subtests) -> None:
    for width, used in WIDTHS:
        with subtests.test(str((width, used))):
            assert columns(Console(file=io.StringIO(), force_terminal=True, width=width)) == used


def test_a_pipe_has_all_the_room_there_is() -> None:
    assert columns(output()) == WIDE


def test_markup_and_long_lines_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    output().print("[red]" + "x" * 200)

    assert capsys.readouterr().out == "[red]" + "x" * 200 + "\n"


def test_a_character_that_cannot_be_encoded_is_written_as_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    output().print("\N{SNOWMAN}")
    print_json("\N{SNOWMAN}")
    sys.stdout.flush()

    assert raw.getvalue() == b'\\u2603\n"\\u2603"\n'


def test_any_stream_can_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)

    output().print("text")

    assert stream.getvalue() == "text\n"


def test_a_broken_pipe_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())

    with pytest.raises(BrokenPipeError):
        output().print("text")


class Watched(Screen):
    """A terminal that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Have the messages of this test go to a terminal."""
    screen = Watched()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return screen


def test_a_terminal_is_told_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch)
    with waiting("the \x1btoken", delay=0):
        assert screen.written.wait(60)

    assert "the \\u001btoken" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")


def test_a_quick_answer_has_no_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch)
    with waiting("the token", delay=60):
        pass

    assert "the token" not in screen.getvalue()


def test_a_pipe_is_not_told_either(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("the token", delay=0):
        pass

    assert capsys.readouterr() == ("", "")
