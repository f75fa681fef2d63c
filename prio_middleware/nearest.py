"""The valid name that a misspelt one was most likely meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, valid: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The name most like ``word``, case aside; None where the likeness of none reaches ``cutoff`` (0 to 1)."""
    return next(iter(difflib.get_close_matches(word.lower(), list(valid), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """``; did you mean ...?``, or nothing where no valid name is near."""
    match = nearest(word, valid)
    return f"; did you mean {match!r}?" if match else ""
