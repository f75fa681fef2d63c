"""Count of objects that are still referenced, to check limits from outside."""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

T = TypeVar("T")


class Text(str):
    """Text that can be weakly referenced."""

    __slots__ = ("__weakref__",)


class References:
    """Counter of objects that are still in use."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[Any]] = []

    def add(self, thing: T) -> T:
        """Add ``thing`` and return it."""
        self._references.append(weakref.ref(thing))
        return thing

    def count(self) -> int:
        """Return the number of objects in use."""
        return sum(reference() is not None for reference in self._references)
