"""Suggestion of a valid name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, valid: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the name most like ``word``, ignoring case. None if no likeness reaches ``cutoff`` (0 to 1)."""
    return next(iter(difflib.get_close_matches(word.lower(), list(valid), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean ...?``, or an empty string if no valid name is near."""
    match = nearest(word, valid)
    return f"; did you mean {match!r}?" if match else ""
