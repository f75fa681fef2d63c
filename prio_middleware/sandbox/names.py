"""Names that do not exist, and the nearest that do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import ConfigurationError


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigurationError:
    """The error for a name that does not exist, with the nearest one that does."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return ConfigurationError(
        f"The sandbox has no {kind} {name!r}.",
        remedy=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}.",
    )
