"""Counts what is unfolded: limits are checked by bytes, not by seconds."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Generator
from typing import Any
from unittest import mock

from prio_middleware import bounded


class Count:
    """Bytes that zlib has handed out."""

    def __init__(self) -> None:
        self.bytes = 0


class _Inflater:
    def __init__(self, window_bits: int, count: Count) -> None:
        self._inner: Any = zlib.decompressobj(window_bits)
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


class _Zlib:
    MAX_WBITS = zlib.MAX_WBITS
    error = zlib.error

    def __init__(self, count: Count) -> None:
        self._count = count

    def decompressobj(self, window_bits: int) -> _Inflater:
        return _Inflater(window_bits, self._count)


@contextlib.contextmanager
def counted() -> Generator[Count]:
    """All that ``bounded`` unfolds meanwhile. Whatever else it did with zlib would fail."""
    count = Count()
    with mock.patch.object(bounded, "zlib", _Zlib(count)):
        yield count
