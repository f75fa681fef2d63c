"""What is written while a test runs, as pytest captures it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

CAPTURES = ("capfd", "capsys", "capfdbinary", "capsysbinary")
"""pytest's fixtures that capture output. A test can have one of them only: so it is that one which is asked."""


class OutputKeeper:
    """Keeps standard output and error.

    Args:
        capture: one of pytest's fixtures.
    """

    def __init__(self, capture: pytest.CaptureFixture[Any]) -> None:
        self._capture = capture
        self._kept = ["", ""]

    def stop(self) -> None:
        """Give back what was taken, so that pytest's report has it."""
        for stream, text in zip((sys.stdout, sys.stderr), self._kept, strict=True):
            stream.write(text)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each line: where it is to be found, and what it says."""
        for index, more in enumerate(self._capture.readouterr()):
            self._kept[index] += more.decode(errors="replace") if isinstance(more, bytes) else more
        for name, text in zip(("standard output", "standard error"), self._kept, strict=True):
            yield from ((f"line {number} of {name}", line) for number, line in enumerate(text.splitlines(), 1))
