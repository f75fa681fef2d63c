"""Writing to a terminal, a pipe or a file, with control characters of servers' texts escaped."""

from __future__ import annotations

import io
import json
import re
import sys
import textwrap
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

WIDE = 1_000_000  # Columns of pipes and files: programs search and compare lines, so they are not wrapped.
COLUMNS = 100  # Maximum columns in use on a terminal: longer lines are hard to read.
SPINNER_DELAY = 0.5  # Seconds before a spinner appears. Faster operations show none, and do not flicker.

# Control characters (C0 except tab and line feed, DEL, C1), characters that change the writing direction, lone surrogates.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Return ``text`` with every character that controls a terminal escaped as in JSON: ``\u001b``.

    A JSON document stays valid and keeps its meaning.
    """

    def escape(match: re.Match[str]) -> str:
        units = match[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _UNSAFE.sub(escape, text.replace("\r\n", "\n"))


def output() -> Console:
    """Return standard output, without colours in a pipe or if NO_COLOR is set."""
    return _console(sys.stdout)


def messages() -> Console:
    """Return standard error, for messages to people: standard output may be piped to a program."""
    return _console(sys.stderr)


def columns(console: Console) -> int:
    """Return the maximum length of a line of text. Lines in pipes and files are not wrapped."""
    return min(console.width, COLUMNS) if console.is_terminal else console.width


def wrapped(text: str, width: int) -> list[str]:
    """Return ``text`` escaped and in lines, wrapped between words at ``width`` columns; at least one line."""
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False, break_long_words=False)
    lines: list[str] = []
    for part in visible(text).strip().splitlines():
        wrapper.subsequent_indent = "    " if part.startswith(" ") else ""
        lines += wrapper.wrap(part)
    return lines or [""]


_LABEL = 9


def print_labelled(console: Console, label: str, text: str, style: str = "") -> None:
    """Print ``text`` beside a label, which has the style."""
    console.print(f"{label:<{_LABEL}}", style=style, end="")
    console.print(f"\n{'':{_LABEL}}".join(wrapped(text, columns(console) - _LABEL)))


def write(text: str, *, flush: bool = False) -> None:
    """Write ``text`` to standard output unchanged, with ``flush`` at once."""
    _escape_unencodable(sys.stdout)
    sys.stdout.write(text)
    if flush:
        sys.stdout.flush()


def print_json(value: object) -> None:
    """Write ``value`` as JSON, for programs."""
    write(visible(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


@contextmanager
def waiting(label: str, *, delay: float = SPINNER_DELAY) -> Generator[None]:
    """Show a spinner on a terminal after ``delay`` seconds. The body must not print anything."""
    console = messages()
    if not console.is_terminal:
        yield
        return
    status = console.status(visible(label), spinner="line")
    late = threading.Timer(delay, status.start)
    late.start()
    try:
        yield
    finally:
        late.cancel()
        late.join()  # It may be starting the spinner just now.
        status.stop()


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Raise the error that other output raises, for the command to handle."""
        raise BrokenPipeError


def _console(stream: object) -> Console:
    _escape_unencodable(stream)
    console = _Console(stderr=stream is sys.stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDE
    return console


def _escape_unencodable(stream: object) -> None:
    """Escape characters that the stream's encoding lacks, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
