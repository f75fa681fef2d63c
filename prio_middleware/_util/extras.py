"""Errors of missing optional packages."""

from __future__ import annotations


def needs(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error for a missing package, with the extra that installs it."""
    return ModuleNotFoundError(f"{error}. Install it: pip install 'prio-middleware[{extra}]'", name=error.name, path=error.path)
