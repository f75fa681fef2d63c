"""What is logged while a test runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator


class LogKeeper(logging.Handler):
    """Keeps what every logger that propagates says, at DEBUG."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._level = logging.NOTSET
        self._kept: list[tuple[str, str]] = []

    def start(self) -> None:
        """Keep records from now on."""
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)

    def stop(self) -> None:
        """Keep no more; the loggers are as they were."""
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep all that ``record`` holds: the message with its traceback, the arguments, and the extras."""
        place = f"a record of the logger {record.name!r} ({record.levelname}, {record.filename}:{record.lineno})"
        self._kept.append((place, f"{self.format(record)} {vars(record)}"))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each record: where it is to be found, and all that it says."""
        return iter(list(self._kept))
