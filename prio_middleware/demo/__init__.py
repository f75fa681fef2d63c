"""``python -m prio_middleware.demo``: ordinary clients against an API that expires, revokes and rejects tokens."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ..errors import ConfigurationError


def require_packages(packages: Sequence[str], extras: str) -> None:
    """Raise ConfigurationError if any of ``packages`` is not installed."""
    if absent := [name for name in packages if importlib.util.find_spec(name) is None]:
        remedy = f"Install it: pip install 'prio-middleware[{extras}]'"
        raise ConfigurationError(f"The demo needs {', '.join(absent)}.", remedy=remedy)
