"""Writing to a terminal, a pipe or a file: what a server said is shown as text, whatever it was meant to do to a terminal."""

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

WIDE = 1_000_000
"""Columns of what is no terminal: lines that are searched and compared are not to be broken."""

COLUMNS = 100
"""Columns of a terminal that are used at most: longer lines are hard to read."""

PATIENCE = 0.5
"""Seconds before anything is shown: what is done by then needs no spinner, and no flicker."""

# Control characters (C0 but for tab and line feed, DEL, C1), those that turn the direction of writing, lone surrogates.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""``text`` with every character that would steer a terminal written as JSON writes it: ``\u001b``.

    So a JSON document stays one, and means the same.
    """
    return _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))


def output() -> Console:
    """Standard output. Colours are left out in a pipe and where NO_COLOR says so."""
    return _console(sys.stdout)


def messages() -> Console:
    """Standard error: for people, so that what is piped on stays clean."""
    return _console(sys.stderr)


def columns(console: Console) -> int:
    """How long a line of text may be. What is no terminal gets lines that are not broken."""
    return min(console.width, COLUMNS) if console.is_terminal else console.width


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines, made visible: broken between words where a line is longer than ``width``. There is one at least."""
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False, break_long_words=False)
    lines: list[str] = []
    for part in visible(text).strip().splitlines():
        wrapper.subsequent_indent = "    " if part.startswith(" ") else ""
        lines += wrapper.wrap(part)
    return lines or [""]


def write(text: str, *, flush: bool = False) -> None:
    """Write ``text`` to standard output as it is; ``flush``: at once, for whoever reads along."""
    _make_lenient(sys.stdout)
    sys.stdout.write(text)
    if flush:
        sys.stdout.flush()


def print_json(value: object) -> None:
    """Write ``value`` as JSON, for programs."""
    write(visible(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


@contextmanager
def waiting(what: str) -> Generator[None]:
    """Show on a terminal that something is going on, if it takes its time. Print nothing meanwhile."""
    console = messages()
    if not console.is_terminal:
        yield
        return
    status = console.status(visible(what), spinner="line")
    late = threading.Timer(PATIENCE, status.start)
    late.start()
    try:
        yield
    finally:
        late.cancel()
        late.join()  # It may be starting just now.
        status.stop()


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Leave it to whoever runs the command, as for any other writing."""
        raise BrokenPipeError


def _console(stream: object) -> Console:
    _make_lenient(stream)
    console = _Console(stderr=stream is sys.stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDE
    return console


def _make_lenient(stream: object) -> None:
    """Have a character that the stream's encoding lacks written as its number: that is no reason to fail."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
