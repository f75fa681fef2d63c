"""Packages that only some users need."""

from __future__ import annotations


def needs(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error for a module whose package is not installed: it names the extra that brings it."""
    return ModuleNotFoundError(f"{error}. Install it: pip install 'prio-middleware[{extra}]'", name=error.name, path=error.path)
