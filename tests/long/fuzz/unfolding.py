"""Counts what is unfolded: limits are checked by bytes, not by seconds."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Generator
from typing import Any
from unittest import mock

_decompressobj = zlib.decompressobj


class Count:
    """Bytes that zlib has handed out."""

    def __init__(self) -> None:
        self.bytes = 0


class _Inflater:
    def __init__(self, window_bits: int, count: Count) -> None:
        self._inner: Any = _decompressobj(window_bits)
        self._count = count

    def decompress(self, *args: Any) -> bytes:
        unfolded: bytes = self._inner.decompress(*args)
        self._count.bytes += len(unfolded)
        return unfolded

    def flush(self) -> bytes:
        rest: bytes = self._inner.flush()
        self._count.bytes += len(rest)
        return rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _refused(*_: Any, **__: Any) -> bytes:
    raise AssertionError("zlib.decompress knows no limit")


@contextlib.contextmanager
def counted() -> Generator[Count]:
    """Count what is unfolded meanwhile. It fails where nothing limits what is unfolded."""
    count = Count()
    with mock.patch.multiple(zlib, decompressobj=lambda bits: _Inflater(bits, count), decompress=_refused):
        yield count
