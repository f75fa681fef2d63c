"""Named pipes that nothing is written into, without the wait for the deadline of the library."""

from __future__ import annotations

import select

import pytest

from prio_middleware.settings.files import PIPE_DEADLINE

WAIT = 30
"""Milliseconds to wait for a pipe, in place of the deadline."""

_poll = select.poll


class ShortPoll:
    """A ``select.poll`` that waits ``WAIT`` at most. It fails if it is asked to wait for longer than the deadline."""

    def __init__(self) -> None:
        self._poll = _poll()
        self.register = self._poll.register

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        assert 0 < milliseconds <= PIPE_DEADLINE * 1000
        return self._poll.poll(WAIT)


def wait_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a pipe that nothing is written into after ``WAIT``."""
    monkeypatch.setattr(select, "poll", ShortPoll)
