"""Where no thread may be started: before a server forks."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_held_off = ContextVar("_held_off", default=False)


@contextmanager
def no_threads() -> Generator[None]:
    """Within this, nothing here starts a thread that outlives its task: a server may fork next."""
    token = _held_off.set(True)
    try:
        yield
    finally:
        _held_off.reset(token)


def may_start_threads() -> bool:
    """Whether the caller is outside of :func:`no_threads`."""
    return not _held_off.get()
