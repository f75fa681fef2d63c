"""Durations, for people."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """``59 min 58 s``: the two largest units that count; ``-`` before what is over."""
    left = round(abs(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return f"{'-' if seconds < 0 and parts else ''}{' '.join(parts[:2]) or '0 s'}"
